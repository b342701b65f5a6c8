package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/internal/token"
)

// staffNoun reads the ids that addresses of a page name, by what they are of.
var staffNoun = regexp.MustCompile(`(?:href|action)="/(steward|officer)/(tasks|records|changes|compare|reviews|patients|consents|wishes)/([0-9a-v]{39})`)

// staffCrossing has each of the staff try what is another's by its own true address, and the ids of one kind where another kind
// belongs.
func (p *pagesUnderTest) staffCrossing(t *testing.T) {
	steward, officer := p.knocker(t, "m.reyes"), p.knocker(t, "p.stone")
	steward.prove()
	officer.prove()
	record := steward.first(http.MethodPost, "/steward/records", url.Values{"site": {"riverside-clinic"}, "number": {"RF-1001"}}, `action="(/steward/records/[0-9a-v]{39})/with"`)
	file := officer.first(http.MethodPost, "/officer/patients", url.Values{"site": {"riverside-clinic"}, "number": {"RF-1001"}}, `href="(/officer/patients/[0-9a-v]{39})`)
	twins := steward.first(http.MethodPost, "/steward/records", url.Values{"site": {"riverside-clinic"}, "number": {"RF-1004"}}, `action="(/steward/records/[0-9a-v]{39})/with"`) // whose links a steward changed
	ids := map[string]string{}                                                                                                                                                    // kind -> an id of it
	for _, c := range []struct {
		who  *knocker
		path string
	}{{steward, "/steward"}, {steward, twins}, {steward, record}, {officer, file}, {officer, "/officer/reviews"}, {officer, "/officer/reviews?show=closed"}, {officer, "/officer/wishes"}} {
		_, page := c.who.do(http.MethodGet, c.path, nil)
		for _, m := range staffNoun.FindAllStringSubmatch(page, -1) {
			ids[m[2]] = m[3]
		}
	}
	for _, kind := range []string{"tasks", "records", "changes", "patients", "reviews"} {
		if ids[kind] == "" {
			t.Fatalf("no page names one of %s: %v", kind, ids)
		}
	}
	paths := map[string]string{"tasks": "/steward/tasks/", "changes": "/steward/changes/", "records": "/steward/records/", "reviews": "/officer/reviews/", "patients": "/officer/patients/"}
	outsiders := map[string][]*knocker{}
	for _, account := range []string{"maria", "dr-bloom", "t.amari", "o.quist", "i.park", "i.lowe"} {
		k := p.knocker(t, account)
		outsiders["steward"] = append(outsiders["steward"], k)
		outsiders["officer"] = append(outsiders["officer"], k)
	}
	outsiders["steward"], outsiders["officer"] = append(outsiders["steward"], officer), append(outsiders["officer"], steward)
	for kind, path := range paths {
		duty := strings.Split(path, "/")[1]
		owner := map[string]*knocker{"steward": steward, "officer": officer}[duty]
		for _, who := range outsiders[duty] {
			if status, _ := who.do(http.MethodGet, path+ids[kind], nil); status != http.StatusNotFound {
				t.Errorf("%s… for somebody of another duty: %d, want 404", path, status)
			}
		}
		for other, id := range ids {
			same := other == kind || slices.Contains([]string{"records", "patients", "compare"}, other) && slices.Contains([]string{"records", "patients"}, kind) // a record and a patient are one id
			if same {
				continue
			}
			if status, _ := owner.do(http.MethodGet, path+id, nil); status != http.StatusNotFound {
				t.Errorf("%s with an id of %s: %d, want 404", path, other, status)
			}
		}
		for name, id := range map[string]string{"changed in one place": "0" + ids[kind][1:], "one that is none": strings.Repeat("0", 39), "a number": "1", "a path": "..%2f" + ids[kind]} {
			if name == "changed in one place" && ids[kind][0] == '0' {
				id = "1" + ids[kind][1:]
			}
			if status, _ := owner.do(http.MethodGet, path+id, nil); status != http.StatusNotFound {
				t.Errorf("%s with an id %s: %d, want 404", path, name, status)
			}
		}
	}
	for _, post := range []string{"/steward/tasks/" + ids["tasks"] + "/claim", "/steward/tasks/" + ids["tasks"] + "/escalate", "/steward/tasks/" + ids["tasks"] + "/settle", "/steward/work",
		"/steward/changes/" + ids["changes"] + "/undo", record + "/with"} {
		for _, who := range outsiders["steward"] {
			if status, _ := who.do(http.MethodPost, post, url.Values{"reason": {"x"}, "handed": {"x"}, "do": {"claim"}, "task": {ids["tasks"]}}); status != http.StatusNotFound {
				t.Errorf("POST %s by somebody of another duty: %d, want 404", post, status)
			}
		}
	}
	_, page := steward.do(http.MethodGet, "/steward/tasks/"+ids["tasks"], nil)
	if strings.Contains(page, "Handed on") {
		t.Error("somebody of another duty handed a task on")
	}
}

// markup is what a feed may write; its script, would it run, leaves a mark, and the browser says that it was refused.
const markup = `"><script>document.title='owned'</script><img src=x onerror="document.title='owned'"><svg onload="document.title='owned'">`

// client is one of the demo's clients, with its key.
func (p *pagesUnderTest) client(t *testing.T, id string) *apiClient {
	t.Helper()
	i := slices.IndexFunc(p.demo.Clients, func(c demoJSONClient) bool { return c.ClientID == id })
	if i < 0 {
		t.Fatalf("the demo has no client %s", id)
	}
	raw, err := os.ReadFile(p.demo.Clients[i].KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.ReadSigner(raw)
	if err != nil {
		t.Fatal(err)
	}
	return newAPIClient(p.demo.BaseURL, id, p.demo.Clients[i].Organization, signer)
}

// hostile returns a resource of the demo's with markup in all that is free text of it; only what the standard codes, counts or
// points at stays.
func hostile(t *testing.T, raw []byte, keep func(path string) bool) []byte {
	t.Helper()
	var in any
	if err := json.Unmarshal(raw, &in); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any) any
	walk = func(path string, v any) any {
		switch x := v.(type) {
		case map[string]any:
			for name, y := range x {
				x[name] = walk(path+"."+name, y)
			}
		case []any:
			for i, y := range x {
				x[i] = walk(path, y)
			}
		case string:
			if !keep(path) {
				return x + markup
			}
		}
		return v
	}
	out, err := json.Marshal(walk("", in))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hostileFeed has a site register somebody and publish a document, a patient report and ask, and a doctor claim, all with markup in
// every word, and goes through the pages of the staff: none of it may run, or be anything but text.
//
// Source: OWASP, Cross Site Scripting Prevention; spec ux section 3 (CSP).
func (p *pagesUnderTest) hostileFeed(t *testing.T) {
	region, err := sim.Population(demoSeed, 14, 5)
	if err != nil {
		t.Fatal(err)
	}
	var state demoState
	raw, err := os.ReadFile(filepath.Join(p.dir, "state.json"))
	if err != nil || json.Unmarshal(raw, &state) != nil {
		t.Fatalf("the demo's state cannot be read: %v", err)
	}
	site, _ := region.Site("riverside-clinic")
	feed := p.client(t, "riverside-clinic-feed")
	register := func(g sim.Registration) {
		body := hostile(t, g.Patient(site), func(path string) bool {
			return slices.Contains([]string{".resourceType", ".identifier.system", ".identifier.use", ".identifier.value", ".identifier.type.coding.system", ".identifier.type.coding.code", ".gender", ".birthDate",
				".telecom.system", ".name.use", ".address.use", ".deceasedDateTime", ".extension.url"}, path)
		})
		r, err := feed.call(t.Context(), feeding, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(site.Authority+"|"+g.Local), body, "Prefer", "return=minimal")
		if err != nil || r.status >= 300 {
			t.Fatalf("a registration with markup was refused: %v %s", err, r.problem())
		}
	}
	maria, carlos := region.Story(sim.Ordinary)[0], region.Story(sim.Overlay)[0]
	g := region.Of(maria, site.ID)[0]
	g.Local = "RF-6666"
	register(g)
	ref := hostile(t, region.Document(region.Of(maria, site.ID)[0], 57).Reference(fmt.Sprintf("http://127.0.0.1:%d/fhir", state.Ports[site.ID])), func(path string) bool {
		return !slices.Contains([]string{".description", ".content.attachment.title", ".author.display", ".type.text", ".custodian.display"}, path)
	})
	ref = []byte(strings.NewReplacer("RF-1001", "RF-6666").Replace(string(ref)))
	if r, err := feed.call(t.Context(), feeding, http.MethodPost, "/fhir/DocumentReference", ref); err != nil || r.status >= 300 {
		t.Fatalf("a document with markup was refused: %v %s", err, r.problem())
	}
	other := region.Of(carlos, site.ID)[0]
	other.Local = "RF-6666"
	register(other) // an update that looks like somebody else

	patient, doctor := p.knocker(t, "maria"), p.knocker(t, "dr-bloom")
	patient.prove()
	doctor.prove()
	patient.do(http.MethodPost, "/my/notmine", url.Values{"site": {"harbor-main"}, "words": {markup}})
	ask := patient.first(http.MethodGet, "/my/looked", nil, `href="(/my/looked/ask/[0-9a-f-]+)"`)
	patient.do(http.MethodPost, ask, url.Values{"words": {markup}})
	linda := doctor.first(http.MethodPost, "/find", url.Values{"number": {"RF-1003"}}, `href="(/patients/[a-z0-9]+)`)
	doctor.do(http.MethodPost, linda+"/emergency", url.Values{"reason": {"unconscious"}, "text": {markup}, "attested": {"emergency-exists", "consent-not-obtainable-in-time", "not-refused-if-able"}})
	doctor.do(http.MethodPost, linda+"/emergency/open", nil)

	seen := 0
	look := func(b *tab, path string) {
		t.Helper()
		b.visit(path)
		var title, made string
		b.run(chromedp.Title(&title), chromedp.Evaluate(`[...document.querySelectorAll('script:not([src]), img[src="x"], svg[onload], [onerror], [onload]')].map(e => e.outerHTML).join(' ')`, &made))
		if made != "" || strings.Contains(title, "owned") {
			t.Errorf("%s: markup of a feed became part of the page: %s", path, made)
		}
		if strings.Contains(b.says(), "<script>") {
			seen++
		}
	}
	steward := p.tab(t)
	steward.as("m.reyes")
	look(steward, "/steward")
	var tasks []string
	steward.run(chromedp.Evaluate(`[...document.querySelectorAll('main tbody a[href^="/steward/tasks/"]')].map(a => a.getAttribute('href'))`, &tasks))
	for _, task := range tasks[:min(8, len(tasks))] {
		look(steward, task)
	}
	steward.openRecord("riverside-clinic", "RF-6666")
	record := steward.path()
	for _, path := range []string{record, record + "/all", record + "?at=" + url.QueryEscape(markup), "/steward?state=" + url.QueryEscape(markup) + "&kind=" + url.QueryEscape(markup), "/steward/quality"} {
		look(steward, path)
	}
	officer := p.tab(t)
	officer.as("p.stone")
	var reviews []string
	look(officer, "/officer/reviews")
	officer.run(chromedp.Evaluate(`[...document.querySelectorAll('main tbody a[href^="/officer/reviews/"]')].map(a => a.getAttribute('href'))`, &reviews))
	for _, review := range reviews[:min(4, len(reviews))] {
		look(officer, review)
		look(officer, review+"/letter")
	}
	for _, path := range []string{"/officer", "/officer/questions", "/officer/access", "/officer/wishes", "/officer/policies", "/officer/patients"} {
		look(officer, path)
	}
	operator, integrator, clinician := p.tab(t), p.tab(t), p.tab(t)
	operator.as("o.quist")
	look(operator, "/operator?x="+url.QueryEscape(markup))
	integrator.as("i.park")
	for _, path := range []string{"/integrator", "/integrator/people", "/integrator/token?client=" + url.QueryEscape(markup), "/integrator/api/" + url.PathEscape(markup)} {
		look(integrator, path)
	}
	clinician.as("dr-bloom")
	clinician.findByNumber("RF-6666")
	look(clinician, clinician.path())
	if seen < 6 {
		t.Errorf("markup was seen as text on %d pages; it was not shown where it should be", seen)
	}
	for _, b := range []*tab{steward, officer, operator, integrator, clinician} {
		b.silent()
	}
}

// sandbox makes a token as an integrator does, uses it, and holds the people's page to what it promises of each.
func (p *pagesUnderTest) sandbox(t *testing.T) {
	b := p.tab(t)
	b.as("i.park")
	b.visit("/integrator/people")
	b.run(chromedp.Evaluate(`document.querySelector('article details').open = true`, nil))
	b.wants("Maria Elena Alvarez", "Known at three sites", "RF-1001", "What do other sites know this person by?", "4,700", "--client riverside-clinic-emr", "Answers late.")
	b.shot("integrator-people")
	for _, number := range []string{"RF-1001", "RF-1012"} { // one who chose nothing, and a child her mother chose for
		b.click(`form:has(input[value="` + number + `"]) button`)
		b.wants("The person is as they were at first.")
	}
	b.visit("/integrator/token?client=riverside-clinic-emr")
	b.wants("Riverside", "May be granted", "system/DocumentReference.rs")
	b.click(`form[method="post"][action="/integrator/token"] button`)
	b.wants("It stands on this page alone.", "300 seconds", "Granted", "bin/concord token --client 'riverside-clinic-emr'")
	b.shot("integrator-token")
	var made string
	b.run(chromedp.Text("article pre.code", &made, chromedp.ByQuery))
	made = strings.TrimSpace(made)
	api := p.client(t, "riverside-clinic-emr")
	found := func(number demoJSONIdentifier) int {
		r, err := api.send(t.Context(), http.MethodGet, p.demo.FHIRURL+"/DocumentReference?status=current&patient.identifier="+url.QueryEscape(number.System+"|"+number.Value), made, "", nil, nil)
		if err != nil || r.status != http.StatusOK {
			t.Fatalf("a call with the token: %v %s", err, r.problem())
		}
		var bundle struct{ Total int }
		if err := json.Unmarshal(r.body, &bundle); err != nil {
			t.Fatal(err)
		}
		return bundle.Total
	}
	for _, person := range p.demo.People {
		got := found(person.Identifiers[0])
		if nothing := slices.Contains([]string{sim.OptedOut, sim.EmergencyOnly, sim.Part2Only}, person.Story); nothing != (got == 0) {
			t.Errorf("%s: %d documents for treatment", person.Story, got)
		}
	}
	for _, story := range []string{sim.Teen, sim.PlaceholderID, sim.NoAddress, sim.TwoCountries} { // one person at both sites
		i := slices.IndexFunc(p.demo.People, func(person demoJSONPerson) bool { return person.Story == story })
		if i < 0 || len(p.demo.People[i].Identifiers) != 2 {
			t.Errorf("%s: not among the people at two sites", story)
			continue
		}
		region, err := sim.Population(demoSeed, 14, 5)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, n := range region.Story(story)[0].Registrations {
			want += region.Registrations[n].Documents
		}
		if got := found(p.demo.People[i].Identifiers[0]); got != want {
			t.Errorf("%s: %d documents by the practice's number, want %d of both sites", story, got, want)
		}
	}
	for _, row := range []struct {
		name string
		form url.Values
		want string
	}{
		{"a purpose that is not the client's", url.Values{"client": {"riverside-clinic-emr"}, "purpose": {"HMARKT"}, "user": {"x"}, "role": {"physician"}}, "Pick something the client may ask for."},
		{"nobody", url.Values{"client": {"riverside-clinic-emr"}, "purpose": {"TREAT"}, "user": {" "}, "role": {"physician"}}, "Say who acts."},
		{"a role that is not the client's", url.Values{"client": {"riverside-clinic-emr"}, "purpose": {"TREAT"}, "user": {"x"}, "role": {"steward"}}, "Pick a role the client may name."},
		{"a patient who is none of the people", url.Values{"client": {"patient-app"}, "purpose": {"PATRQT"}, "person": {"HG-1"}}, "Pick one of the people."},
		{"a patient", url.Values{"client": {"patient-app"}, "purpose": {"PATRQT"}, "person": {"RF-1001"}}, "It stands on this page alone."},
		{"a feed", url.Values{"client": {"harbor-main-feed"}, "purpose": {"HOPERAT"}}, "It stands on this page alone."},
	} {
		if _, page := p.knocker(t, "i.park").do(http.MethodPost, "/integrator/token", row.form); !strings.Contains(page, row.want) {
			t.Errorf("a token for %s: the page does not say %q:\n%s", row.name, row.want, page)
		}
	}
	if status, _ := p.knocker(t, "i.park").do(http.MethodPost, "/integrator/token", url.Values{"client": {"nobody"}}); status != http.StatusNotFound {
		t.Errorf("a token of a client there is not: %d, want 404", status)
	}
	officer := p.tab(t)
	officer.as("p.stone")
	officer.visit("/officer/access")
	officer.run(chromedp.SetValue("#user", "i.park", chromedp.ByQuery))
	officer.click(`main form button[type="submit"]`)
	officer.wants("Ines Park")
	b.visit("/integrator/api")
	b.wants("GET /admin/v1/match/tasks", "Registrations somebody should look at")
	b.click(`a[href="/integrator/api/settleTask"]`)
	b.wants("POST /admin/v1/match/tasks/{id}/verdict", "verdict", "same | different | cannot-tell", "What is sent (JSON)")
	b.shot("integrator-operation")
	b.visit("/integrator")
	b.wants("DocumentReference", "status")
	for _, b := range []*tab{b, officer} {
		b.silent()
	}
}
