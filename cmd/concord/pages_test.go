package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestThePagesInABrowser plays the portal as its people do, on a running demo: the stories, then every page under axe, on
// a phone's width, by keyboard, and without JavaScript.
func TestThePagesInABrowser(t *testing.T) {
	oneAfterAnother(t)
	chromium(t)
	p := &pagesUnderTest{axe: axe(t)}
	p.demo, p.dir = runDemo(t)
	t.Run("a choice taken down at the desk", p.deskStory)
	t.Run("what a patient keeps back", p.rulesStory)
	t.Run("what a patient is owed by a day", p.reportsStory)
	t.Run("sites that are asked answer one by one", p.progressStory)
	t.Run("every document opens", p.documents)
	t.Run("every page, both languages, both widths", p.everyPage)
	t.Run("without JavaScript", p.withoutScript)
	t.Run("by keyboard", p.byKeyboard)
	t.Run("nobody reaches what is another's", p.crossing)
	t.Run("nothing of anybody is in the log", p.canary)
}

type pagesUnderTest struct {
	demo demoJSON
	dir  string
	axe  string
}

// mail waits for a message that says all of words and nothing of what must not stand in one.
func (p *pagesUnderTest) mail(t *testing.T, words ...string) {
	t.Helper()
	for range 100 {
		files, _ := filepath.Glob(filepath.Join(p.dir, "mail", "*.eml"))
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all := true
			for _, w := range words {
				all = all && strings.Contains(string(raw), w)
			}
			if all {
				for _, secret := range []string{"Bloom", "Riverside", "Maria Elena", "unconscious", "RF-1001"} {
					if strings.Contains(string(raw), secret) {
						t.Errorf("the message holds %q", secret)
					}
				}
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("no message says %v", words)
}

// code is the code of the first message that carries one.
func (p *pagesUnderTest) code(t *testing.T) string {
	t.Helper()
	for range 100 {
		files, _ := filepath.Glob(filepath.Join(p.dir, "mail", "*.eml"))
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if m := regexp.MustCompile(`Your code is (\d{8})\.`).FindSubmatch(raw); m != nil {
				return string(m[1])
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("no message carries a code")
	return ""
}

func (p *pagesUnderTest) tab(t *testing.T) *tab { return open(t, p.demo.BaseURL) }

// findByNumber opens the page of the practice's patient with this number.
func (b *tab) findByNumber(number string) {
	b.t.Helper()
	b.visit("/find")
	b.run(chromedp.SetValue("#number", number, chromedp.ByQuery))
	b.click(`main button[type="submit"]`)
	b.click(`main article a[role="button"]`)
}

// choose goes from picking to the receipt.
func (b *tab) choose(pick string) {
	b.t.Helper()
	b.visit("/my/choice")
	b.run(chromedp.Click("#pick-"+pick, chromedp.ByQuery))
	if pick == "some" {
		b.run(chromedp.Click(`input[value="riverside"]`, chromedp.ByQuery))
	}
	b.click(`main form button[type="submit"]`)
	b.wants("Check before you confirm", "Nothing has changed yet.")
	b.shot("choice-check-" + pick)
	b.click(`main form button[type="submit"]`)
	if strings.Contains(b.says(), "Prove once more") {
		b.prove()
		b.wants("Check before you confirm")
		b.click(`main form button[type="submit"]`)
	}
	b.wants("Your receipt", "Receipt number")
}

// confirmed presses the button that confirms, with a fresh proof when it is asked for.
func (b *tab) confirmed() {
	b.t.Helper()
	b.click(`main form button[type="submit"]`)
	if strings.Contains(b.says(), "Prove once more") {
		b.prove()
		b.click(`main form button[type="submit"]`)
	}
}

func (p *pagesUnderTest) rulesStory(t *testing.T) {
	maria, bloom := p.tab(t), p.tab(t)
	bloom.as("dr-bloom")
	bloom.findByNumber("RF-1001")
	bloom.wants("9 documents may be shown to you.")
	maria.as("maria")
	maria.visit("/my/places")
	maria.wants("Call:", "410-555-01")
	maria.click(`form:has(input[value="harbor-main"]) button`)
	maria.wants("Check before you confirm", "Everything held at Harbor General Hospital, Main Campus")
	maria.confirmed()
	maria.wants("Done. It counts from now on.", "Where my records are", "Show it again")
	maria.visit("/my/rules")
	maria.wants("Everything held at Harbor General Hospital, Main Campus", "No end")
	maria.shot("rules")
	bloom.run(chromedp.Reload())
	bloom.wants("6 documents may be shown to you.")
	maria.click(`form:has(input[value="hiv"]) button`)
	maria.confirmed()
	maria.wants("HIV")
	maria.click(`form[action$="/pause"] button`)
	maria.wants("This rule keeps nothing back until you start it again.", "Paused")
	maria.click(`form[action$="/resume"] button`)
	maria.wants("The rule counts again from now on.")
	for range 2 {
		maria.click(`form[action$="/end"] button`)
		maria.wants("The rule has ended.")
	}
	maria.wants("You keep nothing back")
	bloom.run(chromedp.Reload())
	bloom.wants("9 documents may be shown to you.")

	// One document is hidden and shown again from the same place; while its rule is paused it is shown.
	maria.visit("/my/places/harbor-main")
	maria.click(`form:has(input[name="document"]) button`)
	maria.wants("Check before you confirm", "One document:")
	maria.checked("a rule before it is confirmed", p.axe)
	maria.run(chromedp.SetValue("#until", time.Now().AddDate(0, 1, 0).Format(time.DateOnly), chromedp.ByQuery))
	maria.click(`main form button[type="submit"]`)
	maria.wants("Done. It counts from now on.", "Show it again")
	maria.shot("place-documents")
	bloom.run(chromedp.Reload())
	bloom.wants("8 documents may be shown to you.")
	maria.visit("/my/rules")
	maria.click(`form[action$="/pause"] button`)
	bloom.run(chromedp.Reload())
	bloom.wants("9 documents may be shown to you.")
	maria.click(`form[action$="/resume"] button`)
	bloom.run(chromedp.Reload())
	bloom.wants("8 documents may be shown to you.")
	maria.visit("/my/places/harbor-main")
	maria.click(`form[action$="/end"] button`)
	maria.wants("The rule has ended.", "Keep this one back")
	bloom.run(chromedp.Reload())
	bloom.wants("9 documents may be shown to you.")

	// From one organization, and for one reason: others, and other reasons, are not touched.
	maria.visit("/my/rules")
	maria.click(`form:has(#what) button`)
	maria.wants("Please fix this first", "Pick a place, a kind or a subject, or say from whom")
	maria.checked("a rule about nothing", p.axe)
	maria.run(chromedp.SetValue("#org", "riverside", chromedp.ByQuery), chromedp.SetValue("#what", "site:harbor-main", chromedp.ByQuery))
	maria.click(`form:has(#what) button`)
	maria.wants("Check before you confirm", "Kept from: Riverside Family Medicine", "Asked for: Any reason", "What they could find")
	maria.confirmed()
	maria.wants("Done. It counts from now on.", "Everything held at Harbor General Hospital, Main Campus", "Riverside Family Medicine")
	bloom.run(chromedp.Reload())
	bloom.wants("6 documents may be shown to you.")
	maria.visit("/my/preview?org=harbor-general&role=physician&purpose=TREAT")
	maria.wants("9 documents shown, 0 kept back.")
	maria.visit("/my/places")
	maria.there(`form:has(input[value="harbor-main"])`, true) // for the others it is shown
	maria.visit("/my/rules")
	maria.click(`form[action$="/end"] button`)
	maria.run(chromedp.SetValue("#purpose", "HPAYMT", chromedp.ByQuery))
	maria.click(`form:has(#what) button`)
	maria.wants("Check before you confirm", "All your records", "Asked for: Payment for care")
	maria.confirmed()
	maria.wants("Payment for care")
	maria.shot("rules-who-why")
	bloom.run(chromedp.Reload())
	bloom.wants("9 documents may be shown to you.")
	maria.visit("/my/preview?org=riverside&role=physician&purpose=HPAYMT")
	maria.wants("0 documents shown, 9 kept back.")
	maria.visit("/my/rules")
	maria.click(`form[action$="/end"] button`)
	maria.wants("You keep nothing back")
	maria.silent()
}

// reportsStory has Maria ask for a list, which is there at once, and for a correction, which an officer puts off and then refuses.
func (p *pagesUnderTest) reportsStory(t *testing.T) {
	maria, officer := p.tab(t), p.tab(t)
	maria.as("maria")
	maria.visit("/my/reports")
	maria.wants("You have asked for nothing yet", "Who was given my records, as US law lists it")
	maria.run(chromedp.SetValue("#what", "access", chromedp.ByQuery))
	maria.click(`main form button[type="submit"]`)
	maria.wants("Your list is ready.", "A copy of who looked", "Ready", time.Now().AddDate(0, 0, 30).In(eastern(t)).Format("January 2, 2006"))
	maria.click(`main td a[href^="/my/reports/"]`)
	maria.wants("A copy of who looked", "As it was on")
	maria.checked("a list somebody asked for", p.axe)
	maria.shot("report")
	maria.printed("report")
	list := maria.path()
	before := maria.says()
	maria.visit("/my/looked?own=1") // what is looked at later is not on a list of before
	maria.visit(list)
	if maria.says() != before {
		t.Errorf("the list is another:\n%s\nwas:\n%s", maria.says(), before)
	}
	maria.visit("/signin/again?next=" + url.QueryEscape(list))
	maria.prove()
	var table string
	maria.run(chromedp.Evaluate(`fetch(location.pathname + '/table.csv').then(r => r.text())`, &table, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	if !strings.Contains(table, "Given to") {
		t.Errorf("the table holds no list:\n%s", table)
	}

	maria.visit("/my/reports")
	maria.run(chromedp.SetValue("#what", "correction", chromedp.ByQuery))
	maria.click(`main form button[type="submit"]`)
	maria.wants("Please fix this first", "Pick the place that keeps the record", "Say what is wrong")
	maria.run(chromedp.SetValue("#org", "harbor-general", chromedp.ByQuery), chromedp.SendKeys("#words", "I have no allergy to nuts.", chromedp.ByQuery))
	maria.click(`main form button[type="submit"]`)
	maria.wants("Sent. You will see the answer here.", "Waiting for an answer", "I have no allergy to nuts.", time.Now().AddDate(0, 0, 60).In(eastern(t)).Format("January 2, 2006"))
	maria.shot("reports")
	maria.checked("what was asked for", p.axe)

	officer.as("p.stone")
	officer.visit("/officer")
	officer.wants("copies and corrections owed to patients")
	officer.visit("/officer/requests")
	officer.wants("A correction: Harbor General Hospital", "I have no allergy to nuts.")
	officer.checked("what is owed to patients", p.axe)
	officer.shot("officer-requests")
	officer.click(`button[value="given"]`)
	officer.wants("Please fix this first", "Say what the patient is to be told")
	officer.run(chromedp.SendKeys(`textarea[name="words"]`, "The chart is kept on paper.", chromedp.ByQuery))
	officer.click(`button[value="extend"]`)
	officer.wants("Put off.", "The chart is kept on paper.")
	officer.there(`button[value="extend"]`, false)
	maria.visit("/my/reports")
	maria.wants("The place needs more time: The chart is kept on paper.", time.Now().AddDate(0, 0, 90).In(eastern(t)).Format("January 2, 2006"))
	officer.run(chromedp.SendKeys(`textarea[name="words"]`, "The allergy was seen on 3 May.", chromedp.ByQuery))
	officer.click(`button[value="refused"]`)
	officer.wants("it was refused", "Nothing is owed")
	maria.run(chromedp.Reload())
	maria.wants("Not done", "The allergy was seen on 3 May.")
	for _, b := range []*tab{maria, officer} {
		b.silent()
	}

	plain := p.tab(t)
	plain.run(emulation.SetScriptExecutionDisabled(true))
	plain.as("maria")
	plain.visit("/my/reports")
	plain.click(`main form button[type="submit"]`)
	plain.wants("Your list is ready.", "Who was given my records, as US law lists it")
}

// eastern is the zone of the demo's sites.
func eastern(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func (p *pagesUnderTest) deskStory(t *testing.T) {
	desk := p.tab(t)
	desk.as("t.amari")
	desk.findByNumber("RF-1006")
	desk.wants("Rachel Anne Lindqvist", "No choice has been taken down here")
	desk.shot("desk")
	desk.click(`main form button[type="submit"]`)
	desk.wants("Please fix this first", "Say how the patient said it")
	desk.run(chromedp.Click("#pick-emergency", chromedp.ByQuery), chromedp.Click("#method-spoken", chromedp.ByQuery), chromedp.SendKeys("#witness", "Noor Aziz, nurse", chromedp.ByQuery))
	desk.click(`main form button[type="submit"]`)
	desk.prove()
	desk.wants("Read it back, then file it", "Spoken at the desk", "Noor Aziz, nurse")
	desk.click(`main form button[type="submit"]`)
	desk.wants("Your receipt", "Your records are shared only in an emergency.", "Rachel Anne Lindqvist")
	var at string
	desk.run(chromedp.Location(&at))
	spoken := strings.Split(strings.SplitN(at, "/receipt/", 2)[1], "/")[0]

	// On paper: nothing is filed without the scan or its hash; the scan is kept with the choice, and an officer sees both.
	desk.findByNumber("RF-1006")
	desk.wants("Your records are shared only in an emergency.")
	desk.run(chromedp.Click("#pick-share", chromedp.ByQuery), chromedp.Click("#method-paper", chromedp.ByQuery))
	desk.click(`main form button[type="submit"]`)
	desk.wants("Read it back, then file it", "The signed paper")
	desk.click(`main form button[type="submit"]`)
	desk.wants("Add the scan of the signed paper, or its SHA-256")
	desk.checked("desk confirm", p.axe)
	scan := filepath.Join(t.TempDir(), "signed.pdf")
	if err := os.WriteFile(scan, []byte("%PDF-1.4\n% signed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	desk.run(chromedp.SetUploadFiles("#scan", []string{scan}, chromedp.ByQuery))
	desk.click(`main form button[type="submit"]`)
	desk.wants("Your receipt", "The people who treat you may see your records.")
	desk.run(chromedp.Location(&at))
	signed := strings.Split(strings.SplitN(at, "/receipt/", 2)[1], "/")[0]
	officer := p.tab(t)
	officer.as("p.stone")
	officer.visit("/officer/consents/" + spoken)
	officer.wants("spoken", "Noor Aziz, nurse", "emergency-only 1")
	officer.visit("/officer/consents/" + signed)
	sum := sha256.Sum256([]byte("%PDF-1.4\n% signed\n"))
	officer.wants("scan, paper", hex.EncodeToString(sum[:]), "share 1")
	officer.silent()
	desk.silent()
}

// progressStory opens the records of somebody of whom a site that does not publish knows: the list is there at once, the
// site's row turns as it answers, and what it told comes with the page opened again, without asking once more.
func (p *pagesUnderTest) progressStory(t *testing.T) {
	b := p.tab(t)
	b.as("dr-bloom")
	b.findByNumber("RF-1011")
	b.wants("2 documents may be shown to you.", "Bay Area Housing Partnership, Intake")
	arrived := false
	for range 100 {
		if arrived = strings.Contains(b.says(), "2 more documents have arrived: show them"); arrived {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !arrived {
		t.Fatalf("nothing arrives: %s", b.says())
	}
	b.wants("2 of 2 places answered.")
	b.click(`#more a`)
	b.wants("4 documents may be shown to you.", "2 of 2 places answered.")
	var asks bool
	b.run(chromedp.Evaluate(`!!document.querySelector("[data-progress]")`, &asks))
	if asks {
		t.Error("the page opened again asks the sites again")
	}
	b.silent()
}

// documents opens documents until each format was shown.
func (p *pagesUnderTest) documents(t *testing.T) {
	b := p.tab(t)
	b.as("dr-bloom")
	seen := map[string]bool{}
	for _, number := range []string{"RF-1001", "RF-1004", "RF-1008"} {
		b.findByNumber(number)
		var html string
		b.run(chromedp.OuterHTML("main", &html, chromedp.ByQuery))
		for _, link := range regexp.MustCompile(`/documents/[a-z0-9]+\?of=[a-z0-9]+`).FindAllString(html, -1) {
			b.visit(link)
			text := b.says()
			for format, sign := range map[string]string{"ccda": "The patient was seen on", "pdf": "Open the PDF"} {
				seen[format] = seen[format] || strings.Contains(text, sign)
			}
			if strings.Contains(text, "cannot be shown") {
				t.Errorf("a document of the demo cannot be shown:\n%s", text)
			}
			if strings.Contains(text, "The patient was seen on") {
				b.shot("document")
			}
		}
	}
	if !seen["ccda"] || !seen["pdf"] {
		t.Errorf("formats seen: %v", seen)
	}
	b.silent()
}

// pagesOf are the pages each persona has, with the ids of the page before them filled in by everyPage.
func pagesOf(patient, deskPatient, document string) map[string][]string {
	return map[string][]string{
		"":       {"/", "/help", "/signin/again", "/nothing-here"},
		"maria":  {"/my", "/my/choice", "/my/looked", "/my/looked?what=changes&own=1", "/my/places", "/my/places/harbor-main", "/my/rules", "/my/helpers", "/my/alerts", "/my/reports", "/my/questions", "/my/notmine?site=harbor-main", "/my/preview?org=harbor-general&role=physician&purpose=TREAT"},
		"thomas": {"/my", "/my/looked?what=emergency"},
		"dr-bloom": {"/find", "/patients/" + patient, "/patients/" + patient + "?kind=none", "/patients/" + patient + "/emergency",
			"/documents/" + document + "?of=" + patient, "/nothing-here"},
		"p.stone": {"/officer/questions", "/officer/requests"},
		"a.marsh": {"/helping"},
		"t.amari": {"/find", "/desk/" + deskPatient, "/desk/" + deskPatient + "/form"},
	}
}

func (p *pagesUnderTest) everyPage(t *testing.T) {
	b := p.tab(t)
	b.as("dr-bloom")
	b.findByNumber("RF-1001")
	var at, html string
	b.run(chromedp.Location(&at), chromedp.OuterHTML("main", &html, chromedp.ByQuery))
	u, _ := url.Parse(at)
	patient := strings.TrimPrefix(u.Path, "/patients/")
	document := regexp.MustCompile(`/documents/([a-z0-9]+)`).FindStringSubmatch(html)[1]
	for account, paths := range pagesOf(patient, patient, document) {
		b := p.tab(t)
		if account != "" {
			b.as(account)
		}
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
					t.Errorf("%s shows a key for its words", path)
				}
				name, _, _ := strings.Cut(path, "?")
				name = strings.NewReplacer(patient, "x", document, "x").Replace(name)
				b.checked(account+" "+language+" "+name, p.axe)
			}
		}
		b.silent()
	}
}

// withoutScript goes through P1 to P3 and D2 with JavaScript off.
func (p *pagesUnderTest) withoutScript(t *testing.T) {
	maria := p.tab(t)
	maria.run(emulation.SetScriptExecutionDisabled(true))
	maria.as("maria")
	maria.wants("Hello, Maria Elena Alvarez")
	maria.choose("emergency")
	maria.choose("share")
	maria.visit("/my/looked")
	maria.run(chromedp.Click("#own", chromedp.ByQuery))
	maria.click(`main form button[type="submit"]`)
	maria.wants("Looked at this list.")

	bloom := p.tab(t)
	bloom.run(emulation.SetScriptExecutionDisabled(true))
	bloom.as("dr-bloom")
	bloom.findByNumber("RF-1001")
	bloom.wants("9 documents may be shown to you.")
	bloom.click(`main tbody a`)
	bloom.wants("Held by")
}

// byKeyboard reaches and makes a choice with Tab, Space and Enter alone, and sees where it is at each step.
func (p *pagesUnderTest) byKeyboard(t *testing.T) {
	b := p.tab(t)
	b.as("maria")
	b.visit("/my/choice")
	b.run(chromedp.KeyEvent(kb.Tab))
	var focused string
	const where = `(()=>{const e=document.activeElement,s=getComputedStyle(e),r=e.getBoundingClientRect();
return [e.id||e.name||e.textContent.trim().slice(0,30), s.outlineStyle!=='none'||s.boxShadow!=='none'||e.type==='radio', r.width>=24&&r.height>=20&&r.bottom>0&&r.top<innerHeight].join('|')})()`
	b.run(chromedp.Evaluate(where, &focused))
	if !strings.HasPrefix(focused, "Skip to the main part|true|true") {
		t.Errorf("the first stop is %q, want the link to the main part, seen", focused)
	}
	// walk goes with Tab to what is named last, and gives what is named on the way its key; then it presses Enter.
	walk := func(to string, on map[string]string) {
		t.Helper()
		for range 60 {
			b.run(chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(where, &focused))
			parts := strings.Split(focused, "|")
			if parts[1] != "true" || parts[2] != "true" {
				t.Errorf("at %s it is not seen where one is: %v", parts[0], parts[1:])
			}
			if key, named := on[parts[0]]; named {
				b.run(chromedp.KeyEvent(key))
			}
			if parts[0] == to {
				b.press("Enter", kb.Enter)
				return
			}
		}
		t.Fatalf("Tab does not lead to %q", to)
	}
	walk("Show me what would change", map[string]string{"pick-share": " "})
	b.wants("Check before you confirm")
	b.visit("/my/rules")
	walk("Show me what would change", map[string]string{"what": kb.ArrowDown})
	b.wants("Check before you confirm")
	b.visit("/my/reports")
	walk("Ask for it", nil)
	b.wants("Your list is ready.")
}
