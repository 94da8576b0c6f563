package repotest

import (
	"bytes"
	"fmt"
	"os/exec"
	"path"
	"runtime"
	"strings"
)

// isScript reports whether a file is a script for a shell.
func isScript(t *tree, name string) bool {
	first, _, _ := strings.Cut(t.text[name], "\n")
	return path.Ext(name) == ".sh" || name == ".ci/run" ||
		path.Ext(name) == "" && strings.HasPrefix(first, "#!") && strings.HasSuffix(strings.TrimSpace(first), "sh")
}

// scriptsRun finds scripts that bash cannot parse or nobody can execute. It needs
// bash. Windows has no permission to execute, so that part is not looked at there.
func scriptsRun(t *tree) (findings []string) {
	for _, name := range t.names() {
		if !isScript(t, name) {
			continue
		}
		cmd := exec.Command("bash", "-n")
		cmd.Stdin = strings.NewReader(t.text[name])
		if out, err := cmd.CombinedOutput(); err != nil {
			findings = append(findings, fmt.Sprintf("%s: %v: %s", name, err, bytes.TrimSpace(out)))
		}
		if t.mode[name]&0o111 == 0 && runtime.GOOS != "windows" {
			findings = append(findings, name+": is not executable")
		}
	}
	return findings
}
