package main

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestTheStaffPagesInABrowser plays the pages of those who answer for the exchange, on a running demo: the stories first,
// then every page in both languages and widths under axe.
func TestTheStaffPagesInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a demo and a browser")
	}
	chromium(t)
	p := &pagesUnderTest{axe: axe(t)}
	p.demo, p.dir = runDemo(t)
	t.Run("twins wrongly merged, previewed, undone", p.twins)
	t.Run("the queue by keyboard", p.queueByKeyboard)
	t.Run("comparing without JavaScript", p.compareWithoutScript)
	t.Run("an officer reviews an emergency and explains it", p.officerStory)
	t.Run("an officer puts a guardian on record and ends it", p.consentDesk)
	t.Run("every staff page, both languages, both widths", p.everyStaffPage)
}

// openRecord opens the person whom a site knows by a number.
func (b *tab) openRecord(site, number string) {
	b.t.Helper()
	b.visit("/steward/records")
	b.run(chromedp.SetValue("#site", site, chromedp.ByQuery), chromedp.SetValue("#number", number, chromedp.ByQuery))
	b.click(`main form button[type="submit"]`)
}

// path is the path and query of the page that is shown.
func (b *tab) path() string {
	b.t.Helper()
	var at string
	b.run(chromedp.Location(&at))
	u, err := url.Parse(at)
	if err != nil {
		b.t.Fatal(err)
	}
	return u.RequestURI()
}

func (p *pagesUnderTest) twins(t *testing.T) {
	b := p.tab(t)
	b.as("m.reyes")
	b.wants("Who is who: to settle", "Update looks like somebody else")
	b.shot("steward-queue")
	b.openRecord("riverside-clinic", "RF-1004")
	b.wants("Ava Jean Brandt", "The best record, with the source of each value", "Harbor General Hospital, Main Campus", "Registered")
	b.shot("steward-person")
	record := b.path()
	before := b.says()
	b.run(chromedp.SetValue("#site", "riverside-clinic", chromedp.ByQuery), chromedp.SetValue("#number", "RF-1005", chromedp.ByQuery))
	b.click(`form[action$="/with"] button`)
	b.wants("Ava", "Ada", "✗ Differ", "✓ Agree", "Weight in bits", "Is it one person?")
	b.shot("steward-compare")
	compare := b.path()
	b.run(chromedp.Click("#verdict-same", chromedp.ByQuery), chromedp.SendKeys("#reason", "same address and birth date (a mistake, for the story)", chromedp.ByQuery))
	b.click(`form[action$="/verdict"] button`)
	b.prove()
	b.wants("Check before you confirm", "Nothing has changed yet.", "What would move", "Person A", "Person B", "Moves") // who moves is the model's to say
	b.shot("steward-check")
	b.click(`form[action$="/settle"] button`)
	b.wants("Done. The change counts from now on", "If you undo it", "What would move", "Moves")
	b.visit(record)
	b.wants("RF-1005", "Decided: one person", "a mistake, for the story")
	b.click(`main ol a[href^="/steward/changes/"]`)
	b.run(chromedp.SendKeys("#reason", "twins: first names and birth order differ", chromedp.ByQuery))
	b.click(`form[action$="/undo"] button`)
	b.wants("Undone. Everything is as it was before.")
	b.visit(record)
	after := b.says()
	cut := func(s string) string { s, _, _ = strings.Cut(s, "What changed about the links"); return s }
	if cut(after) != cut(before) {
		t.Errorf("after merge and undo the person is not as before:\n%s\nbefore:\n%s", cut(after), cut(before))
	}
	b.wants("Undone", "twins: first names and birth order differ")

	b.visit(compare)
	b.run(chromedp.SetValue(`input[name="why"]`, "to tell the twins apart", chromedp.ByQuery))
	b.click(`form[action$="/reveal"] button`)
	b.wants("Column 1 shows its numbers in full on this page.")
	b.silent()
}

// queueByKeyboard goes through the queue with j, k and Enter, and turns them off.
func (p *pagesUnderTest) queueByKeyboard(t *testing.T) {
	b := p.tab(t)
	b.as("m.reyes")
	var at string
	const focused = `document.activeElement.closest('tr')?.rowIndex + ''`
	for _, step := range []struct{ key, want string }{{"j", "1"}, {"j", "2"}, {"k", "1"}} {
		b.run(chromedp.KeyEvent(step.key), chromedp.Evaluate(focused, &at))
		if at != step.want {
			t.Errorf("after %s the focus is in row %s, want %s", step.key, at, step.want)
		}
	}
	if _, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
		t.Fatal(err)
	}
	b.wants("Is the update about the same person?")
	b.visit("/steward")
	b.run(chromedp.Click("#shortcuts", chromedp.ByQuery), chromedp.Evaluate(`document.activeElement.blur()`, nil), chromedp.KeyEvent("j"), chromedp.Evaluate(focused, &at))
	if at != "undefined" {
		t.Errorf("the keys count after they were turned off: row %s", at)
	}
	b.silent()
}

// compareWithoutScript decides with JavaScript off, as far as the check.
func (p *pagesUnderTest) compareWithoutScript(t *testing.T) {
	b := p.tab(t)
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.as("m.reyes")
	b.click(`main tbody a[href^="/steward/tasks/"]`)
	b.wants("Is the update about the same person?", "Until", "✗ Differ")
	b.run(chromedp.Click("#verdict-different", chromedp.ByQuery), chromedp.SendKeys("#reason", "another name and birth date", chromedp.ByQuery))
	b.click(`form[action$="/verdict"] button`)
	b.prove()
	b.wants("A second steward must agree", "It is about an update that looks like somebody else.", "Send to a second steward")
}

// claim has Dr. Bloom open a patient's records in an emergency.
func (p *pagesUnderTest) claim(t *testing.T, number string) {
	b := p.tab(t)
	b.as("dr-bloom")
	b.findByNumber(number)
	b.click(`a[href$="/emergency"]`)
	b.run(chromedp.SetValue("#reason", "unconscious", chromedp.ByQuery), chromedp.SendKeys("#text", "Found unconscious at home, medication needed now", chromedp.ByQuery))
	for _, a := range []string{"emergency-exists", "consent-not-obtainable-in-time", "not-refused-if-able"} {
		b.run(chromedp.Click("#attest-"+a, chromedp.ByQuery))
	}
	b.click(`main form button[type="submit"]`)
	b.prove()
	b.click(`main form button[type="submit"]`)
	b.wants("You are using emergency access")
}

func (p *pagesUnderTest) officerStory(t *testing.T) {
	p.claim(t, "RF-1001")
	b := p.tab(t)
	b.as("p.stone")
	b.wants("What waits for you", "emergencies to review", "Dr. Avery Bloom")
	b.click(`main tbody a[href^="/officer/reviews/"]`)
	b.wants("Found unconscious at home", "The organization had to do with this patient in the 90 days before.", "The patient was told on", "Asked for documents")
	b.shot("officer-review")
	b.click(`main a[href*="/explain?"]`)
	b.wants("It is shown", "Every rule that spoke, in order", "Decides")
	b.run(chromedp.SetValue("#purpose", "HRESCH", chromedp.ByQuery), chromedp.SetValue("#at", "2020-01-01T00:00", chromedp.ByQuery))
	b.click(`main form button[type="submit"]`)
	if says := b.says(); !strings.Contains(says, "There is nothing here") && !strings.Contains(says, "This is how it was on January 1, 2020") {
		t.Errorf("before the patient was known: %s", says)
	}
	b.visit("/officer/reviews")
	b.click(`main tbody a[href^="/officer/reviews/"]`)
	b.run(chromedp.Click("#finding-justified", chromedp.ByQuery), chromedp.SendKeys("#note", "the ambulance report fits", chromedp.ByQuery))
	b.click(`form[action$="/close"] button`)
	b.wants("The review is closed.", "Justified", "the ambulance report fits")
	b.click(`main a[href$="/letter"]`)
	b.wants("To the patient", "It was an emergency, and opening the records was allowed.")
	b.shot("officer-letter")
	p.explores(t, b)
	b.silent()
}

// explores looks the emergency up in the trail and takes the table away; what is on it is as the exchange signed it.
func (p *pagesUnderTest) explores(t *testing.T, b *tab) {
	b.visit("/officer/access")
	b.run(chromedp.SetValue("#user", "dr-bloom", chromedp.ByQuery), chromedp.Click("#emergency", chromedp.ByQuery))
	b.click(`main form button[type="submit"]`)
	b.wants("Dr. Avery Bloom", "Emergency", "File 1")
	if at := b.path(); at != "/officer/access" {
		t.Errorf("what is sought stands in the address: %s", at)
	}
	b.shot("officer-access")
	b.visit("/signin/again?next=/officer/access") // taking it away asks who it is
	b.prove()
	var table string
	b.run(chromedp.Evaluate(`fetch('/officer/access.csv').then(r => r.text())`, &table, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	if !strings.Contains(table, "Dr. Avery Bloom") || !strings.Contains(table, "emergency.claimed") {
		t.Fatalf("the table does not tell of the emergency:\n%s", table)
	}
	key, file := keysIn(filepath.Join(p.dir, "keys")).audit, filepath.Join(t.TempDir(), "access.csv")
	for _, row := range []struct {
		name, text string
		want       int
	}{
		{"as it was given", table, 0},
		{"with another outcome", strings.Replace(table, "success", "refused", 1), exitBad},
		{"without its first row", table[strings.Index(table, "\n")+1:], exitBad},
	} {
		if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errOut bytes.Buffer
		if got := run(b.ctx, []string{"audit", "table", "--key", key, file}, &out, &errOut); got != row.want {
			t.Errorf("the table %s: status %d, want %d: %s", row.name, got, row.want, errOut.String())
		}
	}
}

// consentDesk puts somebody who may act on a patient's record, ends it, and looks at a consent and what it rests on.
func (p *pagesUnderTest) consentDesk(t *testing.T) {
	b := p.tab(t)
	b.as("p.stone")
	b.visit("/officer/wishes")
	b.wants("Consents to see to")
	b.visit("/officer/patients")
	b.run(chromedp.SetValue("#site", "riverside-clinic", chromedp.ByQuery), chromedp.SetValue("#number", "RF-1002", chromedp.ByQuery))
	b.click(`main form button[type="submit"]`)
	b.wants("Who may act for the patient", "Nobody is on record")
	file := b.path()
	b.visit("/signin/again?next=" + url.QueryEscape(file)) // putting somebody on record asks who it is
	b.prove()
	b.run(chromedp.Evaluate(`document.querySelector('form[action$="/representatives"]').closest('details').open = true`, nil),
		chromedp.SetValue("#name", "Noor Ferris", chromedp.ByQuery), chromedp.SetValue("#ref", "RelatedPerson/noor", chromedp.ByQuery),
		chromedp.SetValue("#capacity", "guardian", chromedp.ByQuery), chromedp.SetValue("#evidence", strings.Repeat("5e", 32), chromedp.ByQuery))
	b.click(`form[action$="/representatives"] button`)
	b.wants("They are on record.", "Noor Ferris", "guardian", "5e5e5e")
	if t.Failed() {
		return
	}
	b.click(`form[action$="/end"] button`)
	b.wants("They act for the patient no longer.")
	b.silent()
}

// staffPages are the pages of each persona of the staff.
func staffPages(b *tab) map[string][]string {
	b.as("m.reyes")
	var task string
	b.run(chromedp.AttributeValue(`main tbody a[href^="/steward/tasks/"]`, "href", &task, nil, chromedp.ByQuery))
	b.openRecord("riverside-clinic", "RF-1001")
	record := b.path()
	b.as("p.stone")
	b.visit("/officer/patients")
	b.run(chromedp.SetValue("#site", "riverside-clinic", chromedp.ByQuery), chromedp.SetValue("#number", "RF-1001", chromedp.ByQuery))
	b.click(`main form button[type="submit"]`)
	file := b.path()
	return map[string][]string{
		"o.quist": {"/operator", "/operator/sites/new-dawn-east?hours=1", "/operator/sites/harbor-main"},
		"i.park":  {"/integrator", "/integrator/errors"},
		"p.stone": {"/officer", "/officer/reviews?show=closed", "/officer/access", "/officer/wishes", "/officer/wishes?closed=1", "/officer/patients", file, file + "/explain?org=riverside&role=physician&purpose=TREAT&label=ETH",
			"/officer/policies", "/officer/policies/us-hipaa"},
		"m.reyes": {"/steward", "/steward?state=closed&kind=hub", task, "/steward/records", record, record + "?at=2020-01-01T00:00", record + "/all"},
	}
}

func (p *pagesUnderTest) everyStaffPage(t *testing.T) {
	for account, paths := range staffPages(p.tab(t)) {
		b := p.tab(t)
		b.as(account)
		for _, language := range []string{"en", "es"} {
			b.visit("/help")
			b.language(language)
			for _, path := range paths {
				b.visit(path)
				var got, text string
				b.run(chromedp.AttributeValue("html", "lang", &got, nil, chromedp.ByQuery), chromedp.Evaluate(`document.body.innerText`, &text))
				if got != language {
					t.Errorf("%s is in %s, want %s", path, got, language)
				}
				if strings.Contains(text, "⟦") {
					t.Errorf("%s shows a key for its words:\n%s", path, text)
				}
				name, _, _ := strings.Cut(path, "?")
				b.checked(account+" "+language+" "+name, p.axe)
			}
		}
		b.silent()
	}
}
