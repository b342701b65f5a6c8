package narrative

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flat writes nodes as text, kinds in brackets.
func flat(ns []Node) string {
	var b strings.Builder
	for _, n := range ns {
		if n.Kind == "text" {
			b.WriteString(n.Text)
			continue
		}
		b.WriteString("[" + n.Kind + " " + flat(n.Children) + "]")
	}
	return b.String()
}

func cda(text string) string {
	return `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>T</title><effectiveTime value="20240531"/>
<recordTarget><patientRole><patient><name><given>Ada</given><family>Brandt</family></name><birthTime value="20140305"/></patient></patientRole></recordTarget>
<component><structuredBody><component><section><title>S</title><text>` + text + `</text></section></component></structuredBody></component></ClinicalDocument>`
}

func TestNarrativeBlocksAreReadIntoTextAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"paragraphs", `<paragraph>a <content styleCode="Bold">b</content></paragraph>`, "[paragraph a [bold b]]"},
		{"lists", `<list listType="ordered"><item>1</item><item>2</item></list>`, "[ordered [item 1][item 2]]"},
		{"tables", `<table><caption>c</caption><thead><tr><th>h</th></tr></thead><tbody><tr><td colspan="2">d</td></tr></tbody></table>`, "[table [caption c][head [row [header h]]][body [row [cell d]]]]"},
		{"a script", `a<script>alert(1)</script>b`, "ab"},
		{"a script in capitals", `a<SCRIPT>alert(1)</SCRIPT>b`, "ab"},
		{"a script inside a table", `<table><script>x</script><tbody><tr><script>y</script><td>z</td></tr></tbody></table>`, "[table [body [row [cell z]]]]"},
		{"a frame", `<iframe src="javascript:alert(1)">x</iframe>`, ""},
		{"a link keeps its words", `<linkHtml href="javascript:alert(1)">see</linkHtml>`, "[group see]"},
		{"an image becomes a mark", `<renderMultiMedia referencedObject="x"/>`, "[picture ]"},
		{"an event handler", `<paragraph onclick="alert(1)">x</paragraph>`, "[paragraph x]"},
		{"escaped markup stays text", `&lt;img src=x onerror=alert(1)&gt;`, "<img src=x onerror=alert(1)>"},
		{"a style", `<style>body{display:none}</style>x`, "x"},
	} {
		d, err := ReadCDA(strings.NewReader(cda(tt.text)))
		if err != nil || len(d.Sections) != 1 {
			t.Errorf("%s: %v, %d sections", tt.name, err, len(d.Sections))
			continue
		}
		if got := flat(d.Sections[0].Nodes); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	d, err := ReadCDA(strings.NewReader(cda("x")))
	if err != nil || d.Patient != "Ada Brandt" || d.Birth != "20140305" || d.Title != "T" || d.Written != "20240531" {
		t.Errorf("the header is read as %+v, %v", d, err)
	}
}

func TestHostileDocumentsAreRefusedAndCostLittle(t *testing.T) {
	bomb := `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><ClinicalDocument><title>&b;</title></ClinicalDocument>`
	outside := `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><ClinicalDocument><title>&a;</title></ClinicalDocument>`
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"entities that grow":      {bomb, ErrNotXML},
		"entities from elsewhere": {outside, ErrNotXML},
		"too deep":                {cda(strings.Repeat("<paragraph>", 5000) + strings.Repeat("</paragraph>", 5000)), ErrTooMuch},
		"too long":                {cda(strings.Repeat("<br/>", 100_000)), ErrTooMuch},
		"broken off":              {cda("x")[:200], ErrNotXML},
		"something else":          {"<html><body>login</body></html>", ErrNotCDA},
		"nothing":                 {"", ErrNotXML},
		"another character set":   {`<?xml version="1.0" encoding="utf-7"?><ClinicalDocument/>`, ErrNotXML},
	} {
		if _, err := ReadCDA(strings.NewReader(tt.text)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestNarrativesOfFHIRAreReadTheSameWay(t *testing.T) {
	got, err := ReadDiv(`<div xmlns="http://www.w3.org/1999/xhtml"><h2>A</h2><p>b<br/>c <a href="javascript:x">d</a></p><ul><li>e</li></ul><img src="x"/><script>f</script></div>`)
	if want := "[heading A][paragraph b[break ]c [group d]][list [item e]][picture ]"; err != nil || flat(got) != want {
		t.Errorf("%q, %v; want %q", flat(got), err, want)
	}
}

func TestDocumentsWrittenByOthersAreRead(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/data/messages/cda/*/*.xml")
	if len(files) == 0 {
		files, _ = filepath.Glob("../../../shared/data/messages/cda/*.xml")
	}
	if len(files) == 0 {
		t.Skip("no documents of others at hand: ../shared/data/messages is not there")
	}
	read := 0
	for _, f := range files {
		in, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ReadCDA(in)
		_ = in.Close()
		switch {
		case errors.Is(err, ErrNotCDA):
		case err != nil:
			t.Logf("%s: %v", filepath.Base(f), err)
		default:
			read++
			if d.Title == "" && len(d.Sections) == 0 {
				t.Errorf("%s: nothing was read", filepath.Base(f))
			}
		}
	}
	t.Logf("%d of %d are clinical documents and were read", read, len(files))
}

func FuzzReadCDA(f *testing.F) {
	f.Add(cda("<paragraph>x</paragraph>"))
	f.Add(cda("<table><tr><td>x</td></tr></table>"))
	f.Add("<")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ReadCDA(strings.NewReader(s))
		if err == nil {
			var count func([]Node) int
			count = func(ns []Node) int {
				n := len(ns)
				for _, c := range ns {
					n += count(c.Children)
				}
				return n
			}
			for _, sec := range d.Sections {
				if count(sec.Nodes) > maxNodes {
					t.Error("more nodes than the bound")
				}
			}
		}
	})
}
