package main

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestTheStaffPagesInABrowser plays the pages of those who answer for the exchange, on a running demo: what they do,
// then every page in both languages and widths under axe.
func TestTheStaffPagesInABrowser(t *testing.T) {
	oneAfterAnother(t)
	chromium(t)
	p := &pagesUnderTest{axe: axe(t)}
	p.demo, p.dir = runDemo(t)
	t.Run("the queue by keyboard", p.queueByKeyboard)
	t.Run("the queue narrowed by what hangs on it", p.narrowedQueue)
	t.Run("comparing without JavaScript", p.compareWithoutScript)
	t.Run("tasks are put off, given to a colleague and handed on", p.deskWork)
	t.Run("a second steward must agree", p.secondSteward)
	t.Run("figures of quality", p.quality)
	t.Run("an officer puts a guardian on record and ends it", p.consentDesk)
	t.Run("an officer keeps a search and sees why looks are marked", p.keepsASearch)
	t.Run("an integrator makes a token and tries what the page of people promises", p.sandbox)
	t.Run("every staff page, both languages, both widths", p.everyStaffPage)
	t.Run("a hostile feed, and hostile words of people", p.hostileFeed)
	t.Run("a site is brought on, and taken out", p.bringsOn)
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

// A shownEffect is what a page says a merge or an undo would do: its sentence, and a side a row.
type shownEffect struct {
	Says  string
	Sides []struct{ Records, Sites, Before, After, Moves string }
}

// effect reads it off the page.
func (b *tab) effect() (e shownEffect) {
	b.t.Helper()
	b.run(chromedp.Evaluate(`(() => ({ Says: document.querySelector('.effect').innerText.trim(), Sides: [...document.querySelector('.effect').parentElement.querySelectorAll('table.stack tbody tr')].map(r => {
const [records, sites, before, after] = [...r.cells].map(c => c.innerText.trim());
return { Records: records, Sites: sites, Before: before, After: after.replace(/\s*Moves$/, ''), Moves: after.endsWith('Moves') ? 'moves' : '' } }) }))()`, &e))
	return e
}

// wants checks that the two records of the clinic meet in one person, or part from one; that the sentence tells no less and no
// more than the rows do; and that a row is marked when it moves. Whose records move with whom is the model's to say.
func (e shownEffect) wants(t *testing.T, what string, meet bool) {
	t.Helper()
	before, after := map[string]bool{}, map[string]bool{}
	to, from := map[string]map[string]bool{}, map[string]map[string]bool{}
	meets, parts := false, false
	for _, s := range e.Sides {
		if strings.Contains(s.Sites, "Riverside") {
			before[s.Before], after[s.After] = true, true
		}
		if to[s.Before] == nil {
			to[s.Before] = map[string]bool{}
		}
		if from[s.After] == nil {
			from[s.After] = map[string]bool{}
		}
		to[s.Before][s.After], from[s.After][s.Before] = true, true
		meets, parts = meets || len(from[s.After]) > 1, parts || len(to[s.Before]) > 1
		if moves := s.Before != s.After; moves != (s.Moves != "") {
			t.Errorf("%s: a row from %s to %s is marked %q", what, s.Before, s.After, s.Moves)
		}
	}
	many, one := before, after
	if !meet {
		many, one = after, before
	}
	if len(many) != 2 || len(one) != 1 {
		t.Errorf("%s: the clinic's two records are of %v before and of %v after", what, before, after)
	}
	want := map[[2]bool]string{{true, false}: "Registrations of different persons would become one person.", {false, true}: "One person would become two.",
		{true, true}: "Registrations would move from one person to another."}[[2]bool{meets, parts}]
	if want == "" || e.Says != want {
		t.Errorf("%s: the page says %q of %+v, want %q", what, e.Says, e.Sides, want)
	}
}

// who names the sides that move, in order.
func (e shownEffect) who() (out []string) {
	for _, s := range e.Sides {
		if s.Moves != "" {
			out = append(out, s.Records+" at "+s.Sites)
		}
	}
	slices.Sort(out)
	return out
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
	b.press("Enter", kb.Enter)
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

// deskWork does with tasks what is not deciding them.
func (p *pagesUnderTest) deskWork(t *testing.T) {
	marta, dana := p.tab(t), p.tab(t)
	marta.as("m.reyes")
	dana.as("d.novak")
	marta.shot("steward-queue-work")
	const tick = `document.querySelector('input[name="task"]').checked = true`
	marta.click(`button[value="snooze"]`)
	marta.wants("Please fix this first", "Choose up to fifty entries first.", "Say a day from tomorrow to ninety days from now.", "Say why.")
	var id string
	marta.run(chromedp.Evaluate(tick, nil), chromedp.Value(`input[name="task"]`, &id, chromedp.ByQuery), chromedp.SetValue("#until", time.Now().AddDate(0, 0, 7).Format(time.DateOnly), chromedp.ByQuery),
		chromedp.SetValue("#why", "the site looks for the paper", chromedp.ByQuery))
	marta.click(`button[value="snooze"]`)
	marta.wants("Put off. It comes back on that day")
	row := `input[name="task"][value="` + id + `"]`
	marta.there(row, false)
	marta.visit("/steward?state=snoozed")
	marta.wants("Put off until", "the site looks for the paper")
	marta.run(chromedp.Click(row, chromedp.ByQuery))
	marta.click(`button[value="wake"]`)
	marta.wants("It is in the queue again.")
	marta.visit("/steward")
	marta.there(row, true)

	marta.run(chromedp.Click(row, chromedp.ByQuery), chromedp.SetValue("#to", "d.novak", chromedp.ByQuery))
	marta.click(`button[value="assign"]`)
	marta.wants("They are with that steward now.", "d.novak")
	dana.visit("/steward?claimed=mine")
	dana.there(row, true)
	marta.run(chromedp.Click(row, chromedp.ByQuery))
	marta.click(`button[value="claim"]`)
	marta.wants("Nothing changed: somebody else works on these")

	task := "/steward/tasks/" + id
	dana.visit(task)
	dana.click(`form[action$="/release"] button`)
	dana.run(chromedp.Evaluate(`document.querySelector('form[action$="/escalate"]').closest('details').open = true`, nil), chromedp.SetValue("#handed", "I know this family", chromedp.ByQuery))
	dana.click(`form[action$="/escalate"] button`)
	dana.wants("Handed on. From now on others decide it.")
	dana.visit(task)
	dana.wants("Handed on to another steward", "d.novak: I know this family", "You handed it on.")
	dana.there(`form[action$="/verdict"]`, false)
	marta.visit("/steward?state=mine")
	marta.there(row, true)
	marta.visit(task)
	marta.there(`form[action$="/verdict"]`, true)
	dana.click(`form[action$="/recall"] button`)
	dana.wants("Taken back.")
	dana.there(`form[action$="/verdict"]`, true)

	// A site is asked, and the task waits until its answer is noted.
	const ask, answer = `form[action$="/ask"]`, `form[action$="/answer"]`
	dana.run(chromedp.Evaluate(`document.querySelector('`+ask+`').closest('details').open = true`, nil))
	dana.wants("410-555-01")
	dana.run(chromedp.SetValue(ask+" textarea", "which of the two was it?", chromedp.ByQuery))
	dana.click(ask + " button")
	dana.wants("Noted. The task waits for the answer.", "which of the two was it?", "Awaited")
	dana.run(chromedp.Evaluate(`document.querySelector('`+answer+`').closest('details').open = true`, nil))
	dana.checked("a task that waits for a site", p.axe)
	marta.visit("/steward?state=waiting")
	marta.there(row, true)
	marta.wants("Waits for ")
	dana.run(chromedp.SetValue(answer+" textarea", "the younger one", chromedp.ByQuery))
	dana.click(answer + " button")
	dana.wants("The answer is noted.", "the younger one")
	marta.visit("/steward?state=waiting")
	marta.wants("Nothing here")
	for _, b := range []*tab{marta, dana} {
		b.silent()
	}
}

// narrowedQueue narrows the queue by what hangs on its entries, without JavaScript, and keeps to it from page to page and after
// work was done.
func (p *pagesUnderTest) narrowedQueue(t *testing.T) {
	b := p.tab(t)
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.as("m.reyes")
	rows := func() (n int) {
		t.Helper()
		b.run(chromedp.Evaluate(`document.querySelectorAll('main tbody tr').length`, &n))
		return n
	}
	all := rows()
	if all < 2 {
		t.Fatalf("the queue has %d entries", all)
	}
	for name, query := range map[string]string{"by risk": "risk=70", "by documents": "documents=10", "by score": "grade=certainly-not"} {
		b.visit("/steward?" + query)
		if n := rows(); n >= all {
			t.Errorf("narrowed %s the queue has %d entries of %d", name, n, all)
		}
	}
	b.visit("/steward?documents=1")
	var least int
	b.run(chromedp.Evaluate(`Math.min(...[...document.querySelectorAll('main tbody td[data-label="Documents affected"]')].map(c => parseInt(c.innerText)))`, &least))
	if least < 1 {
		t.Errorf("an entry has %d documents", least)
	}
	b.visit("/steward?age=7") // the demo is minutes old
	b.wants("Nothing here")
	b.visit("/steward?documents=1&risk=40")
	b.run(chromedp.Click(`input[name="task"]`, chromedp.ByQuery))
	b.click(`button[value="claim"]`)
	if at := b.path(); !strings.Contains(at, "documents=1") || !strings.Contains(at, "risk=40") {
		t.Errorf("after the work the queue is no longer narrowed: %s", at)
	}
	b.visit("/steward?state=closed&risk=70&documents=10") // of what is settled nothing hangs
	b.wants("Who is who")
	b.silent()
}

// there checks whether something is on the page.
func (b *tab) there(selector string, want bool) {
	b.t.Helper()
	var got bool
	b.run(chromedp.WaitReady("main", chromedp.ByQuery), chromedp.Evaluate(`document.querySelector(`+strconv.Quote(selector)+`) !== null`, &got))
	if got != want {
		b.t.Errorf("%s on the page %s: %t, want %t\n%s", selector, b.path(), got, want, b.says())
	}
}

// secondSteward proposes what an update means; who proposed it cannot agree, and a colleague is told what was said.
func (p *pagesUnderTest) secondSteward(t *testing.T) {
	decide := func(b *tab, task string) {
		b.visit(task)
		b.run(chromedp.Click("#verdict-different", chromedp.ByQuery), chromedp.SendKeys("#reason", "another name and birth date", chromedp.ByQuery))
		b.click(`form[action$="/verdict"] button`)
	}
	marta, dana := p.tab(t), p.tab(t)
	marta.as("m.reyes")
	var task string
	marta.run(chromedp.AttributeValue(`main tbody a[href^="/steward/tasks/"]`, "href", &task, nil, chromedp.ByQuery))
	decide(marta, task)
	marta.prove()
	marta.click(`form[action$="/settle"] button`)
	marta.wants("second steward")
	marta.visit(task)
	marta.wants("You said this. Somebody else must agree")
	decide(marta, task)
	marta.wants("You said this. Somebody else must agree")
	marta.there(`form[action$="/settle"]`, false)
	dana.as("d.novak")
	dana.visit(task)
	dana.wants("m.reyes: another name and birth date")
	decide(dana, task)
	dana.prove()
	dana.wants("You agree with the first steward: with this it takes effect.")
	dana.there(`form[action$="/settle"]`, true)
	for _, b := range []*tab{marta, dana} {
		b.silent()
	}
}

// quality looks at the figures: the table is complete without the chart, and the chart is drawn of the same.
func (p *pagesUnderTest) quality(t *testing.T) {
	b := p.tab(t)
	b.as("m.reyes")
	b.visit("/steward/quality")
	b.wants("Counted over all", "Registrations that say something usable", "Riverside Family Medicine", "The queue, by kind", "Update looks like somebody else")
	b.run(chromedp.WaitReady(".chart canvas", chromedp.ByQuery), chromedp.Click("details summary", chromedp.ByQuery))
	var opened, rows int
	b.run(chromedp.Evaluate(`JSON.parse(document.querySelector('[data-chart]').dataset.chart).values[0].reduce((a, b) => a + b, 0)`, &opened),
		chromedp.Evaluate(`[...document.querySelectorAll('details tbody tr')].reduce((a, r) => a + Number(r.cells[1].innerText), 0)`, &rows))
	if opened == 0 || opened != rows {
		t.Errorf("the chart tells of %d entries that came in, the table of %d", opened, rows)
	}
	b.shot("steward-quality")
	b.run(chromedp.Click("details[data-figures] summary", chromedp.ByQuery)) // closed again
	b.printsCharts()
	b.printed("steward-quality-printed")
	b.silent()
}

// printsCharts checks that charts fit the paper and that their figures are printed with them, and that the page is afterwards as
// it was before.
func (b *tab) printsCharts() {
	b.t.Helper()
	type page struct {
		Width float64
		Open  bool
	}
	const look = `({ Width: Math.max(...[...document.querySelectorAll('[data-chart] canvas')].map(c => c.getBoundingClientRect().width)), Open: document.querySelector('details[data-figures]').open })`
	var before, during, after page
	b.run(chromedp.Evaluate(look, &before), chromedp.Evaluate(`dispatchEvent(new Event('beforeprint'))`, nil), chromedp.Sleep(200*time.Millisecond), chromedp.Evaluate(look, &during),
		chromedp.Evaluate(`dispatchEvent(new Event('afterprint'))`, nil), chromedp.Sleep(200*time.Millisecond), chromedp.Evaluate(look, &after))
	if before.Open || !during.Open || after != before {
		b.t.Errorf("the figures of the chart: %+v, printed %+v, afterwards %+v", before, during, after)
	}
	if during.Width > 640 || during.Width < 300 || before.Width <= 640 {
		b.t.Errorf("a chart is %.0f px wide on paper, %.0f on the screen", during.Width, before.Width)
	}
	var paper []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		paper, _, err = cdppage.PrintToPDF().WithPreferCSSPageSize(true).Do(ctx)
		return err
	}))
	if len(paper) < 1000 || string(paper[:5]) != "%PDF-" {
		b.t.Errorf("%d bytes were printed", len(paper))
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
	b.there("td p.link", true) // with which they sign in
	if t.Failed() {
		return
	}
	b.click(`form[action$="/end"] button`)
	b.wants("They act for the patient no longer.")
	b.silent()
}

// keepsASearch saves what is sought, opens it again in another session, and forgets it; what it seeks stands in no address.
func (p *pagesUnderTest) keepsASearch(t *testing.T) {
	bloom := p.tab(t)
	bloom.as("dr-bloom")
	bloom.findByNumber("RF-1001")
	b := p.tab(t)
	b.as("p.stone")
	b.visit("/officer/access")
	b.wants("Saved searches", "none is a score")
	b.run(chromedp.SetValue("#user", "dr-bloom", chromedp.ByQuery), chromedp.SetValue("#kind", "documents.queried", chromedp.ByQuery))
	b.click(`main form.filters button[type="submit"]`)
	b.wants("Dr. Avery Bloom")
	b.run(chromedp.Evaluate(`document.querySelector('details.filters').open = true`, nil))
	b.click(`form[action="/officer/access/saved"] button`)
	b.wants("Please fix this first", "Give it a name of one line")
	b.checked("a search without a name", p.axe)
	b.run(chromedp.SetValue("#name", "What Dr. Bloom asked for", chromedp.ByQuery))
	b.click(`form[action="/officer/access/saved"] button`)
	b.wants("Saved. Only you see it.", "What Dr. Bloom asked for", "the last 7 days")
	b.checked("a saved search", p.axe)
	b.shot("officer-searches")

	other, again := p.tab(t), p.tab(t)
	other.as("l.ortega")
	other.visit("/officer/access")
	if strings.Contains(other.says(), "What Dr. Bloom asked for") {
		t.Error("another officer sees the search")
	}
	again.run(emulation.SetScriptExecutionDisabled(true))
	again.as("p.stone")
	again.visit("/officer/access")
	again.click(`form[action^="/officer/access/saved/"] button`)
	var user, kind string
	again.run(chromedp.Value("#user", &user, chromedp.ByQuery), chromedp.Value("#kind", &kind, chromedp.ByQuery))
	if user != "dr-bloom" || kind != "documents.queried" {
		t.Errorf("opened again it seeks %q of %q", kind, user)
	}
	for _, one := range []*tab{b, again} {
		for _, u := range one.urls {
			if strings.Contains(u, "bloom") {
				t.Errorf("an address names whom it is about: %s", u)
			}
		}
	}
	again.click(`form[action$="/forget"] button`)
	again.wants("Forgotten.")
	again.there(`form[action^="/officer/access/saved/"]`, false)

	// A look at night of somebody whose past is short is marked, one at noon is not: which it is depends on the clock here.
	zone := eastern(t)
	hour := time.Now().In(zone).Hour()
	b.visit("/officer/access")
	says := strings.Join(strings.Fields(b.says()), " ")
	if night := hour >= 22 || hour < 6; night != strings.Contains(says, "At night. Between 10 PM and 6 AM") {
		t.Errorf("at %d o'clock the page says\n%s", hour, says)
	}
	b.run(chromedp.Click("#flagged", chromedp.ByQuery))
	b.click(`main form.filters button[type="submit"]`)
	b.wants("Only what may be worth a look")
	b.silent()
}

// request is the number of the request the page came with.
func (b *tab) request() string {
	b.t.Helper()
	var id string
	b.run(chromedp.Text("#request", &id, chromedp.ByQuery))
	return id
}

// staffPages are the pages of each persona of the staff.
func staffPages(b *tab) map[string][]string {
	b.as("o.quist")
	b.shot("operator-sites")
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
	b.as("dr-bloom")
	b.findByNumber("RF-1001")
	request := b.request()
	return map[string][]string{
		"o.quist": {"/operator", "/operator/sites/new-dawn-east?hours=1", "/operator/sites/harbor-main", "/operator/sites/harbor-main/onboarding", "/operator/requests", "/operator/requests?id=x", "/operator/requests/" + request, "/operator/requests/req-unknown", "/operator/settings"},
		"i.park":  {"/integrator", "/integrator/errors", "/integrator/api", "/integrator/api/settleTask", "/integrator/people", "/integrator/token?client=patient-app", "/integrator/token?client=steward-desk"},
		"p.stone": {"/officer", "/officer/reviews?show=closed", "/officer/access", "/officer/wishes", "/officer/wishes?closed=1", "/officer/patients", file, file + "/explain?org=riverside&role=physician&purpose=TREAT&label=ETH",
			"/officer/policies", "/officer/policies/us-hipaa"},
		"m.reyes": {"/steward", "/steward?age=1&grade=possible&risk=40&documents=1", "/steward?state=closed&kind=hub", "/steward?state=snoozed", "/steward?state=mine", task, "/steward/records", record, record + "?at=2020-01-01T00:00", record + "/all", "/steward/quality"},
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
