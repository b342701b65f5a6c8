package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestTheStoryInABrowser plays the guided story as its personas do, on one running demo: Maria chooses, previews, confirms and gets
// her receipt; the practice is refused; an emergency opens the records, and she is told and sees it; the officer reviews and
// explains it; the steward merges twins wrongly, previews and undoes it; the operator follows a request to its site.
//
// Source: spec ux 4, the first five minutes; issue Pages, "Shown by".
func TestTheStoryInABrowser(t *testing.T) {
	oneAfterAnother(t)
	chromium(t)
	p := &pagesUnderTest{axe: axe(t)}
	p.demo, p.dir = runDemo(t)
	for _, chapter := range []struct {
		name string
		play func(*testing.T)
	}{
		{"a patient chooses, the practice is refused, an emergency is seen", p.story},
		{"an officer reviews the emergency and explains it", p.officerStory},
		{"twins wrongly merged, previewed, undone", p.twins},
		{"an operator follows a request from the page to the site", p.follows},
		{"nobody of the staff reaches what is another's", p.staffCrossing},
	} {
		if !t.Run(chapter.name, chapter.play) {
			return // what follows builds on it
		}
	}
}

func (p *pagesUnderTest) story(t *testing.T) {
	maria, bloom := p.tab(t), p.tab(t)
	maria.visit("/")
	maria.wants("One record that follows the patient", "Sign in as Dr. Avery Bloom", "A story in eight steps")
	maria.shot("landing")

	bloom.as("dr-bloom")
	bloom.findByNumber("RF-1001")
	bloom.wants("Maria Elena Alvarez", "9 documents may be shown to you.", "Harbor General Hospital")
	bloom.shot("records")
	var listed string
	bloom.run(chromedp.Location(&listed))

	maria.as("maria")
	maria.visit("/my/alerts")
	maria.run(chromedp.SetValue("#address", "maria.alvarez@mail.example", chromedp.ByQuery), chromedp.Click("#kind-emergency", chromedp.ByQuery), chromedp.Click("#kind-choice", chromedp.ByQuery))
	maria.click(`#setting button[type="submit"]`)
	maria.wants("Saved. We sent a code", "We do not know yet that this address is yours")
	maria.run(chromedp.SetValue("#code", "00000000", chromedp.ByQuery))
	maria.click(`form[action="/my/alerts/confirm"] button`)
	maria.wants("This code does not fit.")
	maria.checked("alerts before the address is confirmed", p.axe)
	maria.run(chromedp.SetValue("#code", p.code(t), chromedp.ByQuery))
	maria.click(`form[action="/my/alerts/confirm"] button`)
	maria.wants("Thank you. This address is yours")
	maria.visit("/my")
	maria.wants("Hello, Maria Elena Alvarez", "You have not made a choice", "Dr. Avery Bloom", "9 documents")
	maria.shot("my")
	maria.choose("emergency")
	maria.wants("Your records are shared only in an emergency.")
	maria.printed("receipt")

	bloom.run(chromedp.Navigate(listed))
	bloom.wants("0 documents may be shown to you.", "No documents to show")

	bloom.click(`a[href$="/emergency"]`)
	bloom.shot("emergency")
	bloom.run(chromedp.SetValue("#reason", "unconscious", chromedp.ByQuery), chromedp.SendKeys("#text", "Found unconscious at home, medication needed now", chromedp.ByQuery))
	for _, a := range []string{"emergency-exists", "consent-not-obtainable-in-time", "not-refused-if-able"} {
		bloom.run(chromedp.Click("#attest-"+a, chromedp.ByQuery))
	}
	bloom.click(`main form button[type="submit"]`)
	bloom.prove()
	bloom.wants("Open this patient's records in an emergency?", "Found unconscious at home")
	bloom.click(`main form button[type="submit"]`)
	bloom.wants("You are using emergency access", "9 documents may be shown to you.")

	maria.visit("/my")
	maria.wants("Dr. Avery Bloom of Riverside Family Medicine used emergency access to your records.")
	maria.visit("/my/looked?what=emergency")
	maria.wants("Said there was an emergency.")
	maria.shot("looked")
	p.mail(t, "Emergency access to your records was used", "/my/looked")
	maria.click(`a[href^="/my/looked/ask/"]`)
	maria.run(chromedp.SendKeys("#words", "Who is this doctor?", chromedp.ByQuery))
	maria.click(`main form button[type="submit"]`)
	maria.wants("Your question was sent.", "Who is this doctor?", "Waiting for an answer")
	officer := p.tab(t)
	officer.as("p.stone")
	officer.visit("/officer/questions")
	officer.wants("Who is this doctor?", "Dr. Avery Bloom, Riverside Family Medicine")
	officer.run(chromedp.SendKeys("#answer-0", "The doctor at your own practice, in an emergency.", chromedp.ByQuery))
	officer.click(`main li form button[type="submit"]`)
	officer.wants("The answer was sent.", "No open questions")
	maria.visit("/my/questions")
	maria.wants("The doctor at your own practice, in an emergency.")
	maria.visit("/my/helpers")
	maria.run(chromedp.SendKeys("#name", "Ana Marsh", chromedp.ByQuery), chromedp.Click("#rights-manage", chromedp.ByQuery))
	maria.click(`main form.filters button[type="submit"]`)
	if strings.Contains(maria.says(), "Prove once more") {
		maria.prove()
		maria.click(`main form.filters button[type="submit"]`)
	}
	maria.wants("They can act for you from now on.", "Ana Marsh")
	p.helperStory(t, maria)
	maria.visit("/my/helpers")
	maria.click(`td form button`)
	maria.wants("They act for you no longer.")
	maria.visit("/my/notmine?site=chesapeake-heart")
	maria.run(chromedp.SendKeys("#words", "I was never at a heart doctor.", chromedp.ByQuery))
	maria.click(`main form button[type="submit"]`)
	maria.wants("Thank you. A person will look at it.")
	maria.visit("/my/preview?org=harbor-general&role=physician&purpose=TREAT")
	maria.wants("0 documents shown, 9 kept back.")
	maria.visit("/my/preview?org=harbor-general&role=physician&purpose=BTG")
	maria.wants("9 documents shown, 0 kept back.")
	bloom.run(chromedp.Navigate(listed))
	bloom.click(`form[action$="/emergency/end"] button`)
	bloom.wants("Emergency access has ended.", "0 documents may be shown to you.")
	maria.visit("/my/looked")
	maria.wants("Ended emergency access.")
	maria.choose("never")
	bloom.run(chromedp.Navigate(listed))
	bloom.wants("0 documents may be shown to you.")
	maria.choose("some")
	maria.wants("Only these may see your records", "Riverside Family Medicine")
	bloom.run(chromedp.Navigate(listed))
	bloom.wants("9 documents may be shown to you.")
	maria.visit("/my/preview?org=harbor-general&role=physician&purpose=TREAT")
	maria.wants("0 documents shown, 9 kept back.")
	maria.choose("share")
	maria.wants("The people who treat you may see your records.")
	bloom.visit("/signin?as=dr-bloom")
	bloom.run(chromedp.Navigate(listed))
	bloom.wants("9 documents may be shown to you.")

	maria.visit("/")
	for _, b := range []*tab{maria, bloom} {
		b.silent()
	}
}

// helperStory has the person Maria named sign in by herself, look and decide for her, and be named in her history.
func (p *pagesUnderTest) helperStory(t *testing.T, maria *tab) {
	var link string
	maria.run(chromedp.Evaluate(`document.querySelector("p.link").textContent`, &link))
	ana := p.tab(t)
	ana.as("a.marsh")
	ana.wants("Nobody has named you yet")
	ana.visit(strings.TrimPrefix(link, p.demo.BaseURL))
	ana.wants("Will you help?", "Ask, and decide who may see them")
	ana.checked("invited", p.axe)
	ana.click(`main form button`)
	ana.wants("Thank you. You can act for them now.", "Maria Elena Alvarez")
	ana.click(`main form button`)
	ana.checked("acting for somebody", p.axe)
	ana.wants("You act for somebody else.", "Your records are shared only in an emergency.")
	ana.choose("emergency")
	ana.visit("/my/helpers")
	ana.wants("This is not for your account")
	maria.visit("/my/looked?what=changes&own=1")
	maria.wants("Ana Marsh, acts for you")
	maria.visit("/my/helpers")
	maria.click(`td form button[class*="outline"]`)
	maria.wants("They act for you no longer.")
	ana.visit("/my")
	ana.wants("This is not for your account")
	ana.as("r.delgado") // a mother whom an officer put on record
	ana.wants("Sofia Ines Delgado")
	ana.click(`main form button`)
	ana.wants("You act for somebody else.")
	ana.as("sofia")
	ana.wants("Hello, Sofia Ines Delgado")
	ana.silent()
	maria.visit("/my/helpers")
	maria.run(chromedp.SendKeys("#name", "Ana Marsh", chromedp.ByQuery))
	maria.click(`main form.filters button[type="submit"]`)
	if strings.Contains(maria.says(), "Prove once more") {
		maria.prove()
		maria.click(`main form.filters button[type="submit"]`)
	}
	maria.wants("They can act for you from now on.")
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
	b.wants("Check before you confirm", "Nothing has changed yet.", "What would move", "Person A", "Person B", "Moves")
	merging := b.effect()
	merging.wants(t, "what the merge would do", true)
	b.shot("steward-check")
	b.click(`form[action$="/settle"] button`)
	b.wants("Done. The change counts from now on", "If you undo it", "What would move", "Moves")
	undoing := b.effect()
	undoing.wants(t, "what the undo would do", false)
	if got, want := undoing.who(), merging.who(); !slices.Equal(got, want) {
		t.Errorf("the undo would move %q, the merge moved %q", got, want)
	}
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

func (p *pagesUnderTest) officerStory(t *testing.T) {
	b := p.tab(t)
	b.as("p.stone")
	b.wants("What waits for you", "emergencies to review", "Dr. Avery Bloom")
	b.click(`main tbody a[href^="/officer/reviews/"]`)
	b.wants("Found unconscious at home", "The organization had to do with this patient in the 90 days before.", "The patient was told on", "Asked for documents", "Ended early on")
	b.shot("officer-review")
	b.click(`main a[href*="/explain?"]`)
	b.wants("It is shown", "Every rule that spoke, in order", "Decides")
	b.shot("officer-explain")
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

// follows has a doctor open a document, copy the number of the request, and an operator follow it.
func (p *pagesUnderTest) follows(t *testing.T) {
	bloom, quist := p.tab(t), p.tab(t)
	bloom.as("dr-bloom")
	bloom.findByNumber("RF-1001")
	bloom.wants("Number of this request:")
	var document string
	bloom.run(chromedp.Evaluate(`[...document.querySelectorAll('main tbody tr')].find(r => r.innerText.includes('Harbor General')).querySelector('a').getAttribute('href')`, &document))
	bloom.visit(document)
	request := bloom.request()
	quist.as("o.quist")
	quist.wants("Sites", "Half answer within")
	quist.visit("/operator/requests")
	for range 20 { // it is written down a moment after the answer
		quist.visit("/operator/requests")
		quist.run(chromedp.SetValue("#id", request, chromedp.ByQuery))
		quist.click(`main form button[type="submit"]`)
		if !strings.Contains(quist.says(), "Nothing is kept of this request") {
			break
		}
	}
	quist.wants("One request, step by step", request, "GET /documents/:document", "Who the patient is", "What the rules allow", "Site asked: ", "Recorded", "doctor")
	quist.shot("operator-request")
	for _, name := range []string{"Maria", "Alvarez", "Bloom", "RF-1001"} {
		if strings.Contains(quist.says(), name) {
			t.Errorf("the page names %s", name)
		}
	}
	quist.visit("/")
	quist.visit("/operator/sites/harbor-main?hours=1")
	var drawn int
	quist.run(chromedp.Evaluate(`document.querySelectorAll('[data-chart] canvas').length`, &drawn))
	if drawn != 2 {
		t.Errorf("%d charts are drawn, want 2", drawn)
	}
	quist.shot("operator-site")
	quist.printsCharts()
	quist.printed("operator-site-printed")
	bloom.silent()
	quist.silent()

	plain := p.tab(t)
	plain.run(emulation.SetScriptExecutionDisabled(true))
	plain.as("o.quist")
	plain.visit("/operator/sites/harbor-main?hours=1")
	plain.wants("The chart needs JavaScript")
	plain.visit("/operator/requests/" + request)
	plain.wants("Site asked: ")
	landing := p.tab(t)
	landing.visit("/")
	var open int
	landing.run(chromedp.Evaluate(`[...document.querySelectorAll('ol.story li')].filter(li => !li.classList.contains('done')).length`, &open))
	if open != 0 {
		t.Errorf("%d steps of the story have no tick", open)
	}
}
