// Package narrative reads the human-readable part of clinical documents, CDA narrative blocks and FHIR narratives, into a
// tree of the few things that text needs: paragraphs, lists, tables, emphasis. Whatever else stands in a document, scripts,
// styles, links, objects, entities, is left out, so that what is shown can hold nothing but text whoever wrote it.
//
// It knows nothing of the exchange's rules, and shows nothing: templates do.
//
// Source: HL7 CDA R2, Narrative Block; C-CDA 2.1; FHIR R4 Narrative (XHTML subset).
package narrative

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

// A Node is text, or something with nodes in it.
type Node struct {
	// Kind is "text", "paragraph", "list", "ordered", "item", "table", "head", "body", "row", "cell", "header", "caption",
	// "bold", "italic", "under", "sub", "super", "break", "heading", "picture" or "group".
	Kind string
	// Text is set for "text" alone.
	Text string
	// Across and Down are how many columns and rows a cell spans, 1 to 100; 0 means 1.
	Across, Down int
	Children     []Node
}

// A Section is one titled part of a document; Depth counts from 0.
type Section struct {
	Title string
	Depth int
	Nodes []Node
}

// A Document is what can be read of one.
type Document struct {
	Title string
	// Written is the effective time as it stands, Author and Custodian names; "" for what is not said.
	Written, Author, Custodian string
	// Patient and Birth are whom it says it is about, so that a reader can see a mix-up.
	Patient, Birth string
	Sections       []Section
}

// Errors.
var (
	ErrNotXML  = errors.New("narrative: not readable XML")
	ErrNotCDA  = errors.New("narrative: not a clinical document")
	ErrTooMuch = errors.New("narrative: too deep or too long to show")
)

// Bounds on what is read: nobody reads further, and nothing grows with what a stranger sends.
const (
	maxDepth = 60
	maxNodes = 50_000
)

// reader reads XML into a plain tree, bounded.
type reader struct {
	d     *xml.Decoder
	nodes int
}

// element is one XML element; text stands in children without a name.
type element struct {
	name     string
	attrs    []xml.Attr
	text     string
	children []*element
}

func newReader(in io.Reader) *reader {
	d := xml.NewDecoder(in)
	d.Strict = true // entities other than XML's own are an error, so none can grow
	d.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		if strings.EqualFold(label, "utf-8") || strings.EqualFold(label, "us-ascii") {
			return input, nil
		}
		return nil, ErrNotXML
	}
	return &reader{d: d}
}

func (r *reader) root() (*element, error) {
	for {
		t, err := r.d.Token()
		if err != nil {
			return nil, ErrNotXML
		}
		if s, ok := t.(xml.StartElement); ok {
			return r.element(s, 0)
		}
	}
}

func (r *reader) element(s xml.StartElement, depth int) (*element, error) {
	if r.nodes++; depth > maxDepth || r.nodes > maxNodes {
		return nil, ErrTooMuch
	}
	e := &element{name: s.Name.Local, attrs: s.Attr}
	for {
		t, err := r.d.Token()
		if err != nil {
			return nil, ErrNotXML
		}
		switch t := t.(type) {
		case xml.StartElement:
			c, err := r.element(t, depth+1)
			if err != nil {
				return nil, err
			}
			e.children = append(e.children, c)
		case xml.CharData:
			if r.nodes++; r.nodes > maxNodes {
				return nil, ErrTooMuch
			}
			e.children = append(e.children, &element{text: string(t)})
		case xml.EndElement:
			return e, nil
		}
	}
}

func (e *element) child(path ...string) *element {
	for _, name := range path {
		if e == nil {
			return nil
		}
		var next *element
		for _, c := range e.children {
			if c.name == name {
				next = c
				break
			}
		}
		e = next
	}
	return e
}

func (e *element) attr(name string) string {
	if e != nil {
		for _, a := range e.attrs {
			if a.Name.Local == name {
				return a.Value
			}
		}
	}
	return ""
}

// words is the text of e and everything in it, white space folded.
func (e *element) words() string {
	if e == nil {
		return ""
	}
	var b strings.Builder
	var walk func(*element)
	walk = func(e *element) {
		b.WriteString(e.text)
		for _, c := range e.children {
			walk(c)
		}
		if e.name != "" {
			b.WriteByte(' ')
		}
	}
	walk(e)
	return strings.Join(strings.Fields(b.String()), " ")
}

// ReadCDA reads a CDA document. Errors are this package's.
func ReadCDA(in io.Reader) (Document, error) {
	root, err := newReader(in).root()
	if err != nil {
		return Document{}, err
	}
	if root.name != "ClinicalDocument" {
		return Document{}, ErrNotCDA
	}
	d := Document{Title: root.child("title").words(), Written: root.child("effectiveTime").attr("value"),
		Author:    root.child("author", "assignedAuthor", "assignedPerson", "name").words(),
		Custodian: root.child("custodian", "assignedCustodian", "representedCustodianOrganization", "name").words(),
		Patient:   root.child("recordTarget", "patientRole", "patient", "name").words(),
		Birth:     root.child("recordTarget", "patientRole", "patient", "birthTime").attr("value")}
	body := root.child("component", "structuredBody")
	if body != nil {
		for _, c := range body.children {
			if s := c.child("section"); c.name == "component" && s != nil {
				d.section(s, 0)
			}
		}
	}
	return d, nil
}

func (d *Document) section(e *element, depth int) {
	s := Section{Title: e.child("title").words(), Depth: min(depth, 3)}
	if t := e.child("text"); t != nil {
		s.Nodes = nodes(t)
	}
	if s.Title != "" || len(s.Nodes) > 0 {
		d.Sections = append(d.Sections, s)
	}
	for _, c := range e.children {
		if inner := c.child("section"); c.name == "component" && inner != nil {
			d.section(inner, depth+1)
		}
	}
}

// ReadDiv reads the div of a FHIR narrative. Errors are this package's.
func ReadDiv(div string) ([]Node, error) {
	root, err := newReader(strings.NewReader(div)).root()
	if err != nil {
		return nil, err
	}
	return nodes(root), nil
}

// kinds says what an element of either vocabulary becomes. What is not here becomes what is in it; dropped is left out
// with all it holds.
var kinds = map[string]string{
	"paragraph": "paragraph", "p": "paragraph", "pre": "paragraph", "blockquote": "paragraph",
	"list": "list", "ul": "list", "ol": "ordered", "item": "item", "li": "item",
	"table": "table", "thead": "head", "tbody": "body", "tfoot": "body", "tr": "row", "td": "cell", "th": "header", "caption": "caption",
	"b": "bold", "strong": "bold", "i": "italic", "em": "italic", "sub": "sub", "sup": "super", "br": "break",
	"h1": "heading", "h2": "heading", "h3": "heading", "h4": "heading", "h5": "heading", "h6": "heading",
	"renderMultiMedia": "picture", "img": "picture",
}

var dropped = map[string]bool{"script": true, "style": true, "iframe": true, "object": true, "embed": true, "svg": true, "math": true,
	"form": true, "input": true, "button": true, "link": true, "meta": true, "base": true, "template": true, "noscript": true}

// inTable are the kinds that may stand in a table, by what they stand in.
var inTable = map[string][]string{"table": {"head", "body", "row", "caption"}, "head": {"row"}, "body": {"row"}, "row": {"cell", "header"}}

func nodes(e *element) []Node {
	var out []Node
	for _, c := range e.children {
		if c.name == "" {
			if text := fold(c.text); text != "" {
				out = append(out, Node{Kind: "text", Text: text})
			}
			continue
		}
		if dropped[strings.ToLower(c.name)] {
			continue
		}
		kind := kinds[c.name]
		switch {
		case c.name == "list" && c.attr("listType") == "ordered":
			kind = "ordered"
		case c.name == "content":
			kind = styled(c.attr("styleCode"))
		}
		n := Node{Kind: kind, Children: nodes(c)}
		switch kind {
		case "":
			if len(n.Children) == 0 {
				continue
			}
			n.Kind = "group"
		case "picture":
			n.Children = nil
		case "cell", "header":
			n.Across, n.Down = span(c.attr("colspan")), span(c.attr("rowspan"))
		case "table", "head", "body", "row":
			n.Children = only(n.Children, inTable[kind])
		case "list", "ordered":
			n.Children = only(n.Children, []string{"item", "caption"})
		}
		out = append(out, n)
	}
	return out
}

// only keeps the children of the given kinds, those of groups among them too.
func only(children []Node, kinds []string) []Node {
	var out []Node
	for _, c := range children {
		for _, k := range kinds {
			if c.Kind == k {
				out = append(out, c)
				break
			}
		}
		if c.Kind == "group" {
			out = append(out, only(c.Children, kinds)...)
		}
	}
	return out
}

func styled(code string) string {
	switch {
	case strings.Contains(code, "Bold"):
		return "bold"
	case strings.Contains(code, "Italics"):
		return "italic"
	case strings.Contains(code, "Underline"):
		return "under"
	}
	return ""
}

func span(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0
	}
	return min(n, 100)
}

// fold makes white space one blank, and keeps one at either end where there was some.
func fold(s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	out := strings.Join(strings.Fields(s), " ")
	if strings.ContainsAny(s[:1], " \t\r\n") {
		out = " " + out
	}
	if strings.ContainsAny(s[len(s)-1:], " \t\r\n") {
		out += " "
	}
	return out
}
