package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/concord-hie/concord/directory"
)

// bringsOn does on a site's page what its checks ask for, without JavaScript, and takes the site out; then looks at the page as it
// is and with a fault, in both languages, and goes through its forms by keyboard.
//
// Source: spec ux A3.
func (p *pagesUnderTest) bringsOn(t *testing.T) {
	const page = "/operator/sites/chesapeake-heart/onboarding"
	agreement, contact := `form[action$="/agreements"]`, `form[action$="/contacts"]`
	set := func(b *tab, values ...string) {
		t.Helper()
		for i := 0; i+1 < len(values); i += 2 {
			b.run(chromedp.SetValue("#"+values[i], values[i+1], chromedp.ByQuery))
		}
	}
	b := p.tab(t)
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.as("o.quist")
	b.visit("/operator/sites/chesapeake-heart")
	b.click(`main a[href="` + page + `"]`)
	b.wants("Checks of this site", "No agreement is recorded.", "Record what was signed", "There is no contact (technical).", "Live")
	b.there(`form[action$="/steps"]`, false) // a step asks for a fresh proof

	ends := []string{"kind", "baa", "signed_by", "The office, its director", "from", "2026-02-01", "until", "2026-01-01", "document_hash", strings.Repeat("0a", 32)}
	set(b, ends...)
	b.click(agreement + " button")
	b.wants("Please fix this first", "The last day must not be before the first.")
	var kept string
	b.run(chromedp.Value("#document_hash", &kept, chromedp.ByQuery))
	if kept != strings.Repeat("0a", 32) {
		t.Errorf("the hash is %q after a fault", kept)
	}
	set(b, "until", "")
	b.click(agreement + " button")
	b.wants("The agreement is recorded.", "Business associate agreement, signed by The office, its director, from February 1, 2026 until further notice")
	for _, c := range [][]string{{"role", "technical", "name", "Integration desk", "email", "desk@heart.example.org"}, {"role", "privacy", "name", "Privacy desk", "email", "privacy@heart.example.org"},
		{"role", "on-call", "name", "Night desk", "phone", "410-555-0100"}} {
		set(b, c...)
		b.click(contact + " button")
		b.wants("The contact is recorded.", c[3])
	}
	b.click(`#probe button`)
	b.wants("The site was asked. What came of it stands below.", "with FHIR 4.0.1 in", "The site answered our query in")
	b.click(`#alert button`)
	b.wants("A test notice was tried.", "The mail server took the test notice in")

	b.click(`#steps a[role="button"]`)
	b.prove()
	set(b, "suspended-note", "their key was published")
	b.click(`form:has(#suspended-note) button`)
	b.wants("The site is suspended.", "Suspended: nothing is disclosed", "These must pass before the go-live can be proposed", "their key was published", "Omar Quist")
	b.visit("/operator")
	b.wants("Suspended: nothing is disclosed")
	b.silent()

	c := p.tab(t)
	c.as("o.quist")
	for _, language := range []string{"en", "es"} {
		c.visit("/help")
		c.language(language)
		for _, path := range []string{"/operator", "/operator/sites/chesapeake-heart", page} {
			c.visit(path)
			if text := c.says(); strings.Contains(text, "⟦") {
				t.Errorf("%s shows a key for its words:\n%s", path, text)
			}
			c.checked("a suspended site in "+language+" "+path, p.axe)
		}
		if language == "en" {
			c.shot("operator-onboarding")
		}
		set(c, ends...)
		c.click(agreement + " button")
		c.checked("a fault in "+language, p.axe)
	}

	// The summary leads to the field; from there on by keyboard, and Enter sends the form.
	c.run(chromedp.Click(`#faults a`, chromedp.ByQuery))
	var at string
	c.run(chromedp.Evaluate(`document.activeElement.id || document.querySelector(':target').id`, &at))
	if at != "until" {
		t.Errorf("the summary leads to %q", at)
	}
	set(c, "role", "technical")
	c.run(chromedp.Focus("#role", chromedp.ByQuery))
	for _, key := range []string{kb.Tab, "Integration desk", kb.Tab, "desk@heart.example.org", kb.Tab} {
		c.run(chromedp.KeyEvent(key))
	}
	c.press("Enter", kb.Enter)
	c.wants("El contacto está registrado.", "desk@heart.example.org")
	c.visit("/help")
	c.language("en")
	p.goesLive(t, c)
	c.silent()
}

// goesLive brings what the joining site still lacks; one operator proposes its go-live, and cannot sign it off; a second does.
func (p *pagesUnderTest) goesLive(t *testing.T, b *tab) {
	const page = "/operator/sites/old-point-care/onboarding"
	b.as("o.quist")
	b.wants("Old Point Urgent Care")
	b.visit(page)
	b.wants("Joining: nothing is disclosed", "4 of 10 test patients are registered.", "signed by Old Point Urgent Care, its medical director", "There is no contact (on call, day and night).")
	b.shot("operator-joining")
	feed, emr := p.client(t, "old-point-care-feed"), p.client(t, "old-point-care-emr")
	s := joiningSite()
	for n := 4; n < 10; n++ {
		if err := feed.registerTest(t.Context(), s, n); err != nil {
			t.Fatal(err)
		}
	}
	token, err := emr.token(t.Context(), treating)
	if err != nil {
		t.Fatal(err)
	}
	r, err := emr.send(t.Context(), http.MethodGet, p.demo.FHIRURL+"/DocumentReference?status=current&patient.identifier="+url.QueryEscape(s.Authority+"|TEST-1"), token, "", nil,
		[]string{"X-Request-Id", directory.TestMark + "1"})
	if err != nil || r.status != http.StatusOK {
		t.Fatalf("the site's own query: %v %s", err, r.problem())
	}
	for name, value := range map[string]string{"role": "on-call", "name": "Night desk", "phone": "757-555-0121"} {
		b.run(chromedp.SetValue("#"+name, value, chromedp.ByQuery))
	}
	b.click(`form[action$="/contacts"] button`)
	b.click(`#probe button`)
	b.click(`#alert button`)
	fresh := func() {
		t.Helper()
		b.click(`#steps a[role="button"]`)
		b.prove()
	}
	fresh()
	b.click(`form:has(#proposed-note) button`)
	b.wants("The go-live is proposed.", "Omar Quist")
	b.there(`#approved-note`, false)
	b.as("n.abara")
	b.visit(page)
	fresh()
	b.click(`form:has(#approved-note) button`)
	b.wants("The site is live.", "Nkem Abara")
	b.shot("operator-live")
}
