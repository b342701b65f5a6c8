package portal

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"
	"time"
)

// wordCalls are the functions of templates whose first argument is a key.
var wordCalls = []string{"t", "tn"}

// keysOf collects the keys a template's calls name as constants, and the beginnings of those it puts together.
func keysOf(node parse.Node, add func(function, key string)) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, c := range n.Nodes {
				keysOf(c, add)
			}
		}
	case *parse.ActionNode:
		keysOf(n.Pipe, add)
	case *parse.IfNode:
		keysOf(n.Pipe, add)
		keysOf(n.List, add)
		keysOf(n.ElseList, add)
	case *parse.RangeNode:
		keysOf(n.Pipe, add)
		keysOf(n.List, add)
		keysOf(n.ElseList, add)
	case *parse.WithNode:
		keysOf(n.Pipe, add)
		keysOf(n.List, add)
		keysOf(n.ElseList, add)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			keysOf(n.Pipe, add)
			states := []string{"empty", "loading", "partial", "refused", "expired", "error"}
			if s, ok := stringArgument(n.Pipe); ok && slices.Contains(states, n.Name) {
				if n.Name == "loading" {
					add("t", s)
				} else {
					add("t", s+".title")
					add("t", s+".text")
				}
			}
		}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			keysOf(c, add)
		}
	case *parse.CommandNode:
		if id, ok := n.Args[0].(*parse.IdentifierNode); ok && slices.Contains(wordCalls, id.Ident) && len(n.Args) > 1 {
			if s, ok := n.Args[1].(*parse.StringNode); ok {
				add(id.Ident, s.Text)
			}
		}
		for _, a := range n.Args {
			keysOf(a, add)
		}
	}
}

func stringArgument(p *parse.PipeNode) (string, bool) {
	if len(p.Cmds) == 1 && len(p.Cmds[0].Args) == 1 {
		if s, ok := p.Cmds[0].Args[0].(*parse.StringNode); ok {
			return s.Text, true
		}
	}
	return "", false
}

func TestEveryWordAPageUsesIsThereInEveryLanguage(t *testing.T) {
	p := testPortal(t)
	w := readWords() // panics where a language is missing
	for name, set := range p.pages[languages[0]] {
		for _, tmpl := range set.Templates() {
			if tmpl.Tree == nil {
				continue
			}
			keysOf(tmpl.Tree.Root, func(function, key string) {
				forms := []string{key}
				if function == "tn" {
					forms = []string{key + ".one", key + ".many"}
				}
				for _, l := range languages {
					for _, f := range forms {
						if w[l][f] == "" {
							t.Errorf("%s (%s): no words for %q in %s", name, tmpl.Name(), f, l)
						}
					}
				}
			})
		}
	}
	for _, r := range p.table() {
		if r.nav != "" && w["en"][r.nav] == "" {
			t.Errorf("the navigation's %q has no words", r.nav)
		}
	}
}

// Where a reader meets what a template says itself, tags and actions aside.
var (
	action      = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	program     = regexp.MustCompile(`(?s)<(code|pre)\b.*?</(code|pre)>`)
	tag         = regexp.MustCompile(`(?s)<[^>]*>`)
	spokenValue = regexp.MustCompile(`\b(?:alt|title|placeholder|aria-label|aria-description|label|summary|value)="([^"]*)"`)
	chosenValue = regexp.MustCompile(`\bvalue="[^"]*"`)
	spoken      = regexp.MustCompile(`\pL{2,}`)
)

// Names, forms and units that are the same in every language; languages are named in their own.
var untranslated = []string{"Concord", "CSV", "FHIR", "JSON", "PDF", "KB", "MB", "ms", "English", "Español"}

// TestNoTemplateSpeaksByItself holds pages to what a pseudo-language would show: whatever a reader meets comes from the words, none
// stands in a template in one language. Code, and values of choices and hidden fields, are for programs.
//
// Source: spec ux 1.7, "Languages".
func TestNoTemplateSpeaksByItself(t *testing.T) {
	_ = fs.WalkDir(sources, "templates", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(sources, name)
		if err != nil {
			t.Fatal(err)
		}
		page := program.ReplaceAllString(action.ReplaceAllString(string(raw), ""), "")
		said := tag.ReplaceAllString(page, " ")
		for _, one := range tag.FindAllString(page, -1) {
			if strings.HasPrefix(one, "<input") || strings.HasPrefix(one, "<option") || strings.HasPrefix(one, "<button") {
				one = chosenValue.ReplaceAllString(one, "")
			}
			for _, v := range spokenValue.FindAllStringSubmatch(one, -1) {
				said += " " + v[1]
			}
		}
		for _, word := range spoken.FindAllString(said, -1) {
			if !slices.Contains(untranslated, word) {
				t.Errorf("%s says %q by itself", name, word)
			}
		}
		return nil
	})
}

// A key put together in Go or in a template begins with one of these.
var madeKeys = regexp.MustCompile(`^(kind|onboard|orgkind|purpose|role|duty|language|trouble|signin|choice|wish|check|card|about|story|look|outcome|fate|format|grade|sex|reason|attest|method|state|finding|why|effect|field|alert|capacity|group|rule|risk|task|verdict|likeness|level|happened|best|link|cause|second|consents|same|compare|did|sensitive|layer|action|policystate|reviews|fault|today|letter|outcome|consentstatus|representatives|queuestate|sandbox|api\.in|step|origin|report|owed|flag)\.`)

func TestNoWordIsLeftOver(t *testing.T) {
	p := testPortal(t)
	used := map[string]bool{}
	for _, set := range p.pages["en"] {
		for _, tmpl := range set.Templates() {
			if tmpl.Tree != nil {
				keysOf(tmpl.Tree.Root, func(function, key string) { used[key], used[key+".one"], used[key+".many"] = true, true, true })
			}
		}
	}
	source := ""
	_ = fs.WalkDir(sources, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (path.Ext(name) == ".go" || path.Ext(name) == ".html") {
			raw, _ := fs.ReadFile(sources, name)
			source += string(raw)
		}
		return err
	})
	for key := range p.words["en"] {
		base := strings.TrimSuffix(strings.TrimSuffix(key, ".title"), ".text")
		if !used[key] && !strings.Contains(source, `"`+strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".many")+`"`) && !madeKeys.MatchString(key) && !strings.Contains(source, `"`+key+`"`) && !strings.Contains(source, `"`+base+`"`) {
			t.Errorf("nobody says %q", key)
		}
	}
}

func TestTheWordsOfOneKeyTakeTheSameValuesInEveryLanguage(t *testing.T) {
	w := readWords()
	holes := regexp.MustCompile(`\{[a-z]+\}`)
	for key, said := range w["en"] {
		want := slices.Sorted(slices.Values(holes.FindAllString(said, -1)))
		for _, l := range languages[1:] {
			if got := slices.Sorted(slices.Values(holes.FindAllString(w[l][key], -1))); !slices.Equal(slices.Compact(got), slices.Compact(want)) {
				t.Errorf("%s: %v in %s, %v in en", key, got, l, want)
			}
		}
	}
}

func TestWordFilesThatAreNotAsDescribedAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a key twice":             "[a]\nen = x\nes = y\n[a]\nen = x\n",
		"a language nobody knows": "[a]\nen = x\nfr = y\n",
		"words without a key":     "en = x\n",
		"a line that is none":     "[a]\nen = x\nwhat\n",
		"only another language":   "[a]\nes = y\n",
	} {
		w := words{"en": {}, "es": {}}
		if w.read(text) == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestDatesAndNumbersAreWrittenOut(t *testing.T) {
	at := time.Date(2026, 3, 4, 15, 5, 0, 0, time.FixedZone("EST", -5*3600))
	for _, tt := range []struct{ got, want string }{
		{day("en", at), "March 4, 2026"}, {day("es", at), "4 de marzo de 2026"},
		{moment("en", at), "March 4, 2026, 3:05 PM EST"}, {moment("es", at), "4 de marzo de 2026, 15:05 EST"},
		{number("en", 5000), "5,000"}, {number("es", int64(1234567)), "1.234.567"}, {number("en", -4200), "-4,200"}, {number("en", 12), "12"},
		{day("en", time.Time{}), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestPatientWordsAreEasyToRead holds what patients read in English to about grade 6.
//
// Source: spec ux 1.7; Flesch-Kincaid grade level (Kincaid et al. 1975).
func TestPatientWordsAreEasyToRead(t *testing.T) {
	raw, err := wordFiles.ReadFile("words/patient.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := words{"en": {}, "es": {}}
	if err := w.read(string(raw)); err != nil {
		t.Fatal(err)
	}
	var all []string
	for key, said := range w["en"] {
		if n := len(strings.Fields(said)); n >= 12 {
			if g := grade(said); g > 9 {
				t.Errorf("%s reads at grade %.1f: %s", key, g, said)
			}
		}
		all = append(all, strings.TrimRight(said, ".:?!")+".")
	}
	if g := grade(strings.Join(all, " ")); g > 6 {
		t.Errorf("what patients read is at grade %.1f, want 6 or below", g)
	}
	for _, banned := range []string{"opt-out", "opt out", "disclosure", "golden record", "consent directive"} {
		for key, said := range w["en"] {
			if strings.Contains(strings.ToLower(said), banned) {
				t.Errorf("%s says %q to patients", key, banned)
			}
		}
	}
}

// grade is the Flesch-Kincaid grade level of a text, syllables counted by groups of vowels.
func grade(text string) float64 {
	sentences := float64(max(1, len(regexp.MustCompile(`[.!?:]+(\s|$)`).FindAllString(text, -1))))
	fields := strings.Fields(text)
	syllables := 0
	for _, f := range fields {
		f = strings.ToLower(strings.Trim(f, ".,:;!?()'\""))
		n := len(regexp.MustCompile(`[aeiouy]+`).FindAllString(f, -1))
		if strings.HasSuffix(f, "e") && n > 1 && !strings.HasSuffix(f, "le") {
			n--
		}
		syllables += max(n, 1)
	}
	n := float64(len(fields))
	return .39*n/sentences + 11.8*float64(syllables)/n - 15.59
}
