package repotest

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A document is a file of Markdown taken apart. Its slices of lines are as long
// as the file.
type document struct {
	name   string
	prose  []string // the lines; those of blocks of code are empty
	linked []string // prose with spaces for what code spans hold
	blocks []block
}

// A block is a fenced block of code.
type block struct {
	language string
	lines    []string // without the fence's own indentation
	line     int      // of the opening fence, counted from 1
	closed   bool
}

// end returns the line of the closing fence.
func (b block) end() int { return b.line + len(b.lines) + 1 }

var (
	fence    = regexp.MustCompile("^(\\s*(?:(?:[-*+]|\\d+[.)])\\s+)?)(```+|~~~+)\\s*([\\w+-]*)([^`]*)$")
	listItem = regexp.MustCompile(`^\s*(?:[-*+]|\d+[.)])\s`)
)

func readMarkdown(t *tree, name string) document {
	d := document{name: name}
	var open *block
	var openFence, indent string
	afterBlank, inList := true, false
	for i, text := range t.lines(name) {
		if m := fence.FindStringSubmatch(text); open == nil && m != nil {
			inList = inList || listItem.MatchString(text)
			indent, openFence = strings.Map(blankOf, m[1]), m[2]
			open = &block{language: strings.ToLower(m[3]), line: i + 1}
			d.prose = append(d.prose, "")
			continue
		}
		if open != nil {
			d.prose = append(d.prose, "")
			if bare := strings.TrimSpace(text); strings.HasPrefix(bare, openFence) && strings.Trim(bare, openFence[:1]) == "" {
				open.closed = true
				d.blocks = append(d.blocks, *open)
				open = nil
				continue
			}
			open.lines = append(open.lines, strings.TrimPrefix(text, indent))
			continue
		}
		blank := strings.TrimSpace(text) == ""
		indented := strings.HasPrefix(text, "    ") || strings.HasPrefix(text, "\t")
		switch {
		case blank:
			afterBlank = true
		case indented && afterBlank && !inList: // a block of code, to its next line
			text = ""
		default:
			afterBlank = false
			inList = listItem.MatchString(text) || inList && (indented || strings.HasPrefix(text, " "))
		}
		d.prose = append(d.prose, text)
	}
	if open != nil {
		d.blocks = append(d.blocks, *open)
	}
	d.linked = blankCodeSpans(d.prose)
	return d
}

func blankOf(r rune) rune {
	if r == '\t' || r == '\n' {
		return r
	}
	return ' '
}

var (
	backticks = regexp.MustCompile("`+")
	endOfPara = regexp.MustCompile(`\n[ \t]*\n`)
)

// blankCodeSpans puts spaces in place of code spans, which may go over several
// lines of a paragraph.
func blankCodeSpans(lines []string) []string {
	text := strings.Join(lines, "\n")
	var out strings.Builder
	for {
		open := backticks.FindStringIndex(text)
		if open == nil {
			break
		}
		rest := text[open[1]:]
		limit := len(rest)
		if end := endOfPara.FindStringIndex(rest); end != nil {
			limit = end[0]
		}
		closing := -1
		for _, m := range backticks.FindAllStringIndex(rest[:limit], -1) {
			if m[1]-m[0] == open[1]-open[0] {
				closing = open[1] + m[1]
				break
			}
		}
		if closing < 0 { // not a span
			closing = open[1]
		}
		out.WriteString(text[:open[0]])
		out.WriteString(strings.Map(blankOf, text[open[0]:closing]))
		text = text[closing:]
	}
	out.WriteString(text)
	return strings.Split(out.String(), "\n")
}

var (
	heading    = regexp.MustCompile(`^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$`)
	underline  = regexp.MustCompile(`^ {0,3}(?:=+|-+)\s*$`)
	htmlAnchor = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
)

// anchors lists what a link into a document can name: its headings, as GitHub
// makes them, and explicit anchors.
func (d document) anchors() (all []string) {
	add := func(title string) {
		first := slug(title)
		anchor := first
		for n := 1; slices.Contains(all, anchor); n++ {
			anchor = fmt.Sprintf("%s-%d", first, n)
		}
		all = append(all, anchor)
	}
	for i, text := range d.prose {
		for _, m := range htmlAnchor.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		title := strings.TrimSpace(text)
		switch m := heading.FindStringSubmatch(text); {
		case m != nil:
			add(m[1])
		case title != "" && i+1 < len(d.prose) && underline.MatchString(d.prose[i+1]) &&
			!listItem.MatchString(text) && !underline.MatchString(text) && title[0] != '|' && title[0] != '>':
			add(title)
		}
	}
	return all
}

var (
	codeSpan = regexp.MustCompile("`+[^`]+`+")
	linkText = regexp.MustCompile(`!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])`)
	htmlTag  = regexp.MustCompile(`</?[A-Za-z][^>]*>`)
	emphasis = regexp.MustCompile(`(^|\W)_+([^_]+)_+(\W|$)`)
)

// slug returns GitHub's anchor of a heading: the rendered text in lower case,
// spaces as hyphens, and of the rest only letters, digits, - and _.
func slug(heading string) string {
	rendered, rest := "", heading
	render := func(text string) string {
		text = linkText.ReplaceAllString(text, "$1")
		text = htmlTag.ReplaceAllString(text, "")
		return html.UnescapeString(emphasis.ReplaceAllString(text, "$1$2$3"))
	}
	if spans := codeSpan.FindAllString(heading, -1); linkText.MatchString(heading) && !slices.ContainsFunc(spans, linkText.MatchString) {
		// A link may hold code.
		rest = linkText.ReplaceAllString(heading, "$1")
	}
	for {
		m := codeSpan.FindStringIndex(rest)
		if m == nil {
			break
		}
		rendered += render(rest[:m[0]]) + rest[m[0]:m[1]]
		rest = rest[m[1]:]
	}
	rendered += render(rest)
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, rendered)
}
