package repotest

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	referenceLink = regexp.MustCompile(`^\s{0,3}\[[^\]^][^\]]*\]:\s+<?([^\s>]+)>?`)
	htmlLink      = regexp.MustCompile(`(?:href|src)="([^"]+)"`)
	lineAnchor    = regexp.MustCompile(`^L(\d+)(?:-L(\d+))?$`)
	docsPath      = regexp.MustCompile(`(?:^|[^\w/.-])(docs/[\w/.-]*\.md)\b`)
)

// linksResolve finds links in Markdown that lead to no file of the tree, or to no
// heading in it.
func linksResolve(t *tree) (findings []string) {
	documents := make(map[string]document)
	read := func(name string) document {
		if _, is := documents[name]; !is {
			documents[name] = readMarkdown(t, name)
		}
		return documents[name]
	}
	for _, name := range t.names() {
		if path.Ext(name) != ".md" {
			continue
		}
		for i, text := range read(name).linked {
			for _, link := range linksIn(text) {
				if wrong := linkProblem(t, read, name, link); wrong != "" {
					findings = append(findings, at(name, i+1, "%s", wrong))
				}
			}
		}
	}
	return findings
}

// linksIn returns the targets of the links in a line: [text](target),
// [name]: target, and the attributes of HTML.
func linksIn(text string) (links []string) {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "](")
		if !found {
			break
		}
		if link := destination(after); link != "" {
			links = append(links, link)
		}
		rest = after
	}
	for _, pattern := range []*regexp.Regexp{referenceLink, htmlLink} {
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			links = append(links, m[1])
		}
	}
	return links
}

// destination returns the target at the beginning of what follows "](".
func destination(text string) string {
	text = strings.TrimLeft(text, " ")
	if inside, is := strings.CutPrefix(text, "<"); is {
		link, _, _ := strings.Cut(inside, ">")
		return link
	}
	depth := 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case r == ')', r == ' ':
			return text[:i]
		}
	}
	return text
}

// linkProblem tells what is wrong with a link in the file from, if anything.
func linkProblem(t *tree, read func(string) document, from, link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	target := from
	if u.Path != "" {
		target = path.Join(path.Dir(from), u.Path)
	}
	if path.IsAbs(u.Path) || !t.has(target) {
		return u.Path + " does not exist"
	}
	switch {
	case u.Fragment == "":
	case path.Ext(target) == ".md":
		if !slices.Contains(read(target).anchors(), u.Fragment) {
			return fmt.Sprintf("%s has no heading #%s", target, u.Fragment)
		}
	default:
		m := lineAnchor.FindStringSubmatch(u.Fragment)
		if m == nil {
			return fmt.Sprintf("%s has no #%s", target, u.Fragment)
		}
		for _, number := range m[1:] {
			if n, err := strconv.Atoi(number); err == nil && (n < 1 || n > len(t.lines(target))) {
				return fmt.Sprintf("%s has no line %d", target, n)
			}
		}
	}
	return ""
}

// commentsResolve finds documents below docs that comments in Go name by their
// path and that do not exist.
func commentsResolve(t *tree) (findings []string) {
	for _, f := range t.goFiles() {
		for _, group := range f.Comments {
			eachLine(f, group, func(line int, text string) {
				for _, m := range docsPath.FindAllStringSubmatch(text, -1) {
					if !t.has(m[1]) {
						findings = append(findings, at(f.name, line, "%s does not exist", m[1]))
					}
				}
			})
		}
	}
	return findings
}
