package repotest

import (
	"path"
	"strings"
)

// packageDocs finds folders whose package does not have exactly one doc comment,
// or one that does not begin with its name: "Package x ", or for a command the
// name of its folder, as in "Squash compresses".
func packageDocs(t *tree) (findings []string) {
	folders, all := byFolder(t.goFiles())
	for _, folder := range folders {
		var code, documented []goFile
		for _, f := range all[folder] {
			if f.test {
				continue
			}
			code = append(code, f)
			if strings.TrimSpace(f.Doc.Text()) != "" {
				documented = append(documented, f)
			}
		}
		switch {
		case len(code) == 0:
		case len(documented) == 0:
			findings = append(findings, folder+": package "+code[0].Name.Name+" has no doc")
		case len(documented) > 1:
			var in []string
			for _, f := range documented {
				in = append(in, f.name)
			}
			findings = append(findings, folder+": several docs, in "+strings.Join(in, ", "))
		default:
			f := documented[0]
			want := "Package " + f.Name.Name
			if f.Name.Name == "main" {
				command := path.Base(path.Join("/", module, folder))
				want = strings.ToUpper(command[:1]) + command[1:]
			}
			doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
			if !strings.HasPrefix(doc, want+" ") {
				begins, _, _ := strings.Cut(doc, ". ")
				findings = append(findings, at(f.name, f.line(f.Doc), "the doc begins %q, want %q", begins, want+" "))
			}
		}
	}
	return findings
}
