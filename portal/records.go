package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// D2, outside records: what may be shown of a patient's documents, wherever they are.

// A paper is one document in the list.
type paper struct {
	ID, Title, Kind, KindCode string
	Date                      time.Time
	Author, Custodian         string
	Format                    string
	Size                      int64
	Superseded                bool
	// Sensitive says that the site has marked it as especially private; Obligations go with showing it.
	Sensitive   bool
	Obligations []string
	// Caveats are what of that is told in words, in the reader's language.
	Caveats []caveat
	// Also are other places that hold the same document.
	Also []string
}

// formats are short words for content types: format.NAME.
var formats = map[string]string{"application/xml": "ccda", "text/xml": "ccda", "application/pdf": "pdf", "text/plain": "text", "application/fhir+json": "fhir",
	"image/png": "image", "image/jpeg": "image", "image/gif": "image"}

func formatOf(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	if f := formats[strings.TrimSpace(strings.ToLower(media))]; f != "" {
		return f
	}
	return "other"
}

// A caveat is a sentence that goes with a document: a statement of law, or the scope of the patient's consent.
type caveat struct {
	Obligation, Text string
	Scope            bool
}

// obligationURL, scopeURL and sameURL are the API's own search extensions, displayURL is DS4P's of what must be displayed.
const (
	obligationURL = "urn:concord:search:obligation"
	scopeURL      = "urn:concord:search:scope-of-consent"
	displayURL    = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-display"
	sameURL       = "urn:concord:search:same-document"
)

func readPaper(e fhir.BundleEntry) (paper, error) {
	p, err := readReference(e.Resource)
	if err != nil || e.Search == nil {
		return p, err
	}
	for _, x := range e.Search.Extension {
		switch {
		case x.URL == obligationURL:
			p.Obligations = append(p.Obligations, x.ValueCode)
		case x.URL == sameURL && x.ValueReference != nil:
			p.Also = append(p.Also, x.ValueReference.Display)
		}
	}
	return p, nil
}

// readReference reads a DocumentReference as the API serves it.
func readReference(raw []byte) (paper, error) {
	var d fhir.DocumentReference
	if err := (answer{body: raw}).into(&d); err != nil {
		return paper{}, err
	}
	p := paper{ID: d.ID, Title: d.Description, Size: -1, Superseded: d.Status == "superseded", Caveats: readCaveats(raw)}
	if d.Type != nil {
		p.Kind = d.Type.Text
		if len(d.Type.Coding) > 0 {
			p.KindCode = d.Type.Coding[0].Code
			if p.Kind == "" {
				p.Kind = d.Type.Coding[0].Display
			}
		}
	}
	if len(d.Content) > 0 {
		a := d.Content[0].Attachment
		p.Format = formatOf(a.ContentType)
		if a.Title != "" {
			p.Title = a.Title
		}
		if a.Size != nil {
			p.Size = *a.Size
		}
	}
	if p.Title == "" {
		p.Title = p.Kind
	}
	for _, when := range []string{periodStart(d), d.Date} {
		if t, err := time.Parse(time.RFC3339Nano, when); err == nil && p.Date.IsZero() {
			p.Date = t
		} else if t, err := time.Parse(time.DateOnly, when); err == nil && p.Date.IsZero() {
			p.Date = t
		}
	}
	for _, a := range d.Author {
		if a.Display != "" {
			p.Author = a.Display
			break
		}
	}
	if p.Author == "" {
		p.Author = containedName(d.Contained)
	}
	if d.Custodian != nil {
		p.Custodian = d.Custodian.Display
	}
	for _, l := range d.SecurityLabel {
		for _, c := range l.Coding {
			p.Sensitive = p.Sensitive || c.Code == "R" || c.Code == "V"
		}
	}
	return p, nil
}

// readCaveats are the sentences that a resource says must be displayed.
func readCaveats(raw []byte) (out []caveat) {
	var r struct {
		Meta struct {
			Extension []fhir.Extension `json:"extension"`
		} `json:"meta"`
	}
	if fhir.Decode(raw, &r) != nil {
		return nil
	}
	for _, x := range r.Meta.Extension {
		if x.URL == displayURL && x.ValueAnnotation != nil {
			c := caveat{Text: x.ValueAnnotation.Text}
			for _, y := range x.ValueAnnotation.Extension {
				switch y.URL {
				case obligationURL:
					c.Obligation = y.ValueCode
				case scopeURL:
					c.Scope = true
				}
			}
			out = append(out, c)
		}
	}
	return out
}

// caveats are what goes with the bytes at path in words, in the reader's language.
func (v *visit) caveats(actor hie.Actor, path string) (out []caveat, _ error) {
	a, err := v.callAs(actor, http.MethodGet, path+"/$notice", nil)
	if err != nil {
		return nil, err
	}
	var ps fhir.Parameters
	if err := a.into(&ps); err != nil {
		return nil, err
	}
	for _, statement := range ps.Parameter {
		for _, words := range statement.Part {
			said := map[string]string{}
			for _, w := range words.Part {
				said[w.Name] = w.ValueString + w.ValueCode
			}
			if said["language"] != v.language {
				continue
			}
			out = append(out, caveat{Text: said["text"]})
			if said["scope"] != "" {
				out = append(out, caveat{Text: said["scope"], Scope: true})
			}
		}
	}
	return out, nil
}

func periodStart(d fhir.DocumentReference) string {
	if d.Context != nil && d.Context.Period != nil {
		return d.Context.Period.Start
	}
	return ""
}

// containedName is the name of the first contained person that has one.
func containedName(all []fhir.Contained) string {
	for _, c := range all {
		var names []fhir.HumanName
		if (c.ResourceType == "Practitioner" || c.ResourceType == "PractitionerRole") && fhir.Decode(c.Name, &names) == nil {
			if n := nameOf(names); n != "" {
				return n
			}
		}
	}
	return ""
}

// asking returns the actor to ask as about a patient: under an emergency that was claimed here while it holds.
func (v *visit) asking(patient string) (hie.Actor, time.Time) {
	a := v.actor()
	if d := v.draft("emergency " + patient); d != nil {
		if until, err := time.Parse(time.RFC3339, d.Get("until")); err == nil && v.now.Before(until) {
			a.Purposes = []hie.Purpose{hie.PurposeBreakGlass}
			return a, until
		}
	}
	return a, time.Time{}
}

// patientBanner reads the patient a page is about.
func (v *visit) patientBanner(id string) (foundPatient, error) {
	a, err := v.call(http.MethodGet, "/fhir/Patient/"+url.PathEscape(id), nil)
	if err != nil {
		return foundPatient{}, err
	}
	return v.readFoundPatient(a.body)
}

// recordQuery is the search the filters of the page ask for.
func recordQuery(patient string, q url.Values) url.Values {
	out := url.Values{"patient": {"Patient/" + patient}, "_count": {"50"}}
	switch q.Get("status") {
	case "all":
		out.Set("status", "current,superseded")
	default:
		out.Set("status", "current")
	}
	if k := q.Get("kind"); k != "" {
		out.Set("category", escapeToken(k))
	}
	if o := q.Get("from"); o != "" {
		out.Set("custodian", "Organization/"+o)
	}
	if y := q.Get("since"); y != "" {
		out.Set("date", "ge"+y)
	}
	return out
}

// search asks for documents as actor; wait is how many seconds sites may take, and heard is told of each, if it is not nil.
func (v *visit) search(actor hie.Actor, q url.Values, wait string, heard func(federation.Hearing)) (fhir.Bundle, error) {
	var set fhir.Bundle
	a, err := v.follow(actor, heard, http.MethodPost, "/fhir/DocumentReference/_search", []byte(q.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Prefer", "wait="+wait)
	if err == nil {
		err = a.into(&set)
	}
	return set, err
}

// noticeOf reads what the policy lets be told of what is withheld: whether something may be, and which kinds of document are.
func noticeOf(set fhir.Bundle) (notice bool, kinds []string) {
	for _, e := range set.Entry {
		var oo fhir.OperationOutcome
		if e.Search == nil || e.Search.Mode != "outcome" || fhir.Decode(e.Resource, &oo) != nil {
			continue
		}
		for _, i := range oo.Issue {
			switch {
			case i.Code == "informational" && i.Details == nil:
				notice = true
			case i.Code == "suppressed" && i.Details != nil:
				for _, c := range i.Details.Coding {
					kinds = append(kinds, c.Code)
				}
			}
		}
	}
	return notice, kinds
}

// filterOf is the part of a page's address that narrows its list, with how many documents it shows.
func filterOf(q url.Values, seen int) url.Values {
	out := url.Values{"seen": {strconv.Itoa(seen)}}
	for _, name := range []string{"kind", "from", "since", "status"} {
		if q.Get(name) != "" {
			out.Set(name, q.Get(name))
		}
	}
	return out
}

// records answers GET /patients/:patient. The index answers at once, with what sites that do not publish told lately; those
// still to be asked are asked by the progress stream, and a refresh brings what they told. Where there is no JavaScript, the
// links that lead here ask and wait: wait=1 for a second, wait=5 for five.
func (v *visit) records() error {
	id := v.c.Param("patient")
	who, err := v.patientBanner(id)
	if err != nil {
		return err
	}
	if err := v.recallEmergency(who); err != nil {
		return err
	}
	actor, until := v.asking(id)
	q := v.c.Request.URL.Query()
	search := recordQuery(id, q)
	if cursor := q.Get("cursor"); cursor != "" { // it holds the search
		search = url.Values{"_cursor": {cursor}, "_count": {"50"}}
	}
	lately := v.round(id)
	var heard func(federation.Hearing)
	wait := "0"
	if w := q.Get("wait"); w == "1" || w == "5" {
		wait, lately = w, round{Done: true}
		heard = func(h federation.Hearing) { lately.hear(h) }
	}
	set, err := v.search(actor, search, wait, heard)
	if err != nil {
		return err
	}
	var papers, pinned []paper
	for _, e := range set.Entry {
		if e.Search != nil && e.Search.Mode == "outcome" {
			continue
		}
		p, err := readPaper(e)
		if err != nil {
			return err
		}
		p.Date = p.Date.In(v.zone())
		papers = append(papers, p)
		if slices.Contains(pinnedKinds, p.KindCode) && len(pinned) < 4 && q.Get("cursor") == "" {
			pinned = append(pinned, p)
		}
	}
	facets, err := v.facets(actor, id)
	if err != nil {
		return err
	}
	total := 0
	if set.Total != nil {
		total = *set.Total
	}
	next := ""
	if c := nextCursor(set); c != "" {
		n := url.Values{"cursor": {c}}
		next = "/patients/" + id + "?" + n.Encode()
	}
	var sites states
	for _, f := range facets["site"] {
		sites.set(hie.SiteID(f.Value), "answered")
	}
	v.silent(set, &sites)
	sites.put(lately.Sites)
	progress := ""
	if q.Get("cursor") == "" {
		if sites.any("unasked") {
			progress = "/patients/" + id + "/progress?" + filterOf(q, total).Encode()
		}
		v.keepRound(id, round{Sites: sites, Done: wait != "0" || lately.Done})
	}
	notice, withheld := noticeOf(set)
	data := map[string]any{"Patient": who, "Notice": notice, "Withheld": withheld, "Papers": papers, "Pinned": pinned, "Total": total, "Strip": v.byName(sites), "Answered": sites.answered(), "Facets": facets, "Next": next,
		"Emergency": until, "Query": map[string]string{"kind": q.Get("kind"), "from": q.Get("from"), "since": q.Get("since"), "status": q.Get("status")},
		"Later": q.Get("cursor") != "", "Progress": progress, "Wait": sites.answered() < len(sites),
		"Filtered": q.Get("kind") != "" || q.Get("from") != "" || q.Get("since") != "" || q.Get("status") == "all"}
	if !until.IsZero() {
		data["Emergency"] = until.In(v.zone())
	}
	v.show(http.StatusOK, "records", data)
	return nil
}

// pinnedKinds stand above the list: discharge summaries, medication lists, allergies.
var pinnedKinds = []string{"18842-5", "29549-3", "10160-0", "48765-2"}

// A facet is one value of a filter with how many documents it leaves.
type facet struct {
	Value, Name string
	Count       int
}

// facets counts what may be shown by kind, organisation and site: "kind", "from", "site".
func (v *visit) facets(actor hie.Actor, id string) (map[string][]facet, error) {
	body := map[string]any{"resourceType": "Parameters", "parameter": []map[string]any{
		{"name": "patient", "valueReference": map[string]any{"reference": "Patient/" + id}}}}
	a, err := v.callAs(actor, http.MethodPost, "/fhir/DocumentReference/$presence", body, "Content-Type", "application/fhir+json")
	if err != nil {
		return nil, err
	}
	var p fhir.Parameters
	if err := a.into(&p); err != nil {
		return nil, err
	}
	kinds, orgs, sites := map[string]int{}, map[string]int{}, map[string]int{}
	for _, q := range p.Parameter {
		if q.Name != "presence" {
			continue
		}
		class, org, site, n := "", "", "", 0
		for _, part := range q.Part {
			switch {
			case part.Name == "class":
				class = part.ValueCode
			case part.Name == "site" && part.ValueReference != nil:
				if s, ok := v.deps.Network().Site(hie.SiteID(strings.TrimPrefix(part.ValueReference.Reference, "Organization/"))); ok {
					org, site = string(s.Org), string(s.ID)
				}
			case part.Name == "count" && part.ValueInteger != nil:
				n = *part.ValueInteger
			}
		}
		kinds[class] += n
		orgs[org] += n
		sites[site] += n
	}
	out := map[string][]facet{}
	for value, n := range kinds {
		if value != "" {
			out["kind"] = append(out["kind"], facet{Value: value, Count: n})
		}
	}
	for value, n := range orgs {
		if o, ok := v.deps.Network().Organization(hie.OrgID(value)); ok {
			out["from"] = append(out["from"], facet{Value: value, Name: o.Name, Count: n})
		}
	}
	for value, n := range sites {
		out["site"] = append(out["site"], facet{Value: value, Count: n})
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b facet) int {
			if a.Count != b.Count {
				return b.Count - a.Count
			}
			return strings.Compare(a.Value, b.Value)
		})
	}
	return out, nil
}
