package portal

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/sheet"
)

// P3, who looked: the patient's own access history, as the AuditEvent doors tell it.

// A look is one row: something somebody did with a patient's records. Acts of one request are one row.
type look struct {
	ID           string
	At           time.Time
	Kind         audit.Kind
	Organization hie.OrgID
	OrgName      string
	Name, Role   string
	Purposes     []string
	Classes      []string
	Site         hie.SiteID
	// Released is how many documents were shown, -1 when that is not what happened.
	Released  int
	Refused   bool
	Emergency bool
	// Automatic says that a system acted on its own, Own that the patient did.
	Automatic, Own bool
	// Askable says that the patient can ask about it here.
	Askable bool
}

// Say is the key of the words for what happened.
func (l look) Say() string {
	switch {
	case l.Kind == audit.DocumentsQueried && l.Released == 0:
		return "look.nothing"
	case l.Kind == audit.Refused || l.Refused:
		return "look.refused"
	}
	return "look." + string(l.Kind)
}

// Outcome is the key of the words for how it ended.
func (l look) Outcome() string {
	switch {
	case l.Refused || l.Kind == audit.Refused || (l.Kind == audit.DocumentsQueried && l.Released == 0):
		return "outcome.refused"
	}
	return "outcome.allowed"
}

const kindSystem = "urn:concord:audit-event-kind"

// readLook reads one AuditEvent as it is served to its patient.
func readLook(raw []byte, mine string) (look, error) {
	var e fhir.AuditEvent
	if err := (answer{body: raw}).into(&e); err != nil {
		return look{}, err
	}
	l := look{ID: e.ID, Released: -1, Automatic: true, Refused: e.Outcome == "4"}
	l.At, _ = time.Parse(time.RFC3339Nano, e.Recorded)
	for _, s := range e.Subtype {
		if s.System == kindSystem {
			l.Kind = audit.Kind(s.Code)
		}
	}
	for _, p := range e.PurposeOfEvent {
		for _, c := range p.Coding {
			l.Purposes = append(l.Purposes, c.Code)
		}
	}
	for _, a := range e.Agent {
		code := ""
		if a.Type != nil && len(a.Type.Coding) > 0 {
			code = a.Type.Coding[0].Code
		}
		switch {
		case code == "PROV" && a.Who != nil:
			l.Organization = hie.OrgID(strings.TrimPrefix(a.Who.Reference, "Organization/"))
			l.OrgName = a.Who.Display
		case code == "IRCP" || code == "AUT":
			l.Automatic, l.Name = false, a.Name
			if a.Who != nil && a.Who.Identifier != nil && a.Who.Identifier.Value == "Patient/"+mine {
				l.Own = true
			}
			if a.AltID == "Patient/"+mine {
				l.Own = true
			}
			helps := strings.HasPrefix(a.AltID, "RelatedPerson/") || a.Who != nil && a.Who.Identifier != nil && strings.HasPrefix(a.Who.Identifier.Value, "RelatedPerson/")
			for _, r := range a.Role {
				if len(r.Coding) > 0 && l.Role == "" {
					l.Role = r.Coding[0].Code
				}
			}
			switch {
			case helps && l.Role == hie.RolePatient:
				l.Own, l.Role = false, hie.RoleHelper // who acts in the patient's name is named
			case l.Role == hie.RolePatient:
				l.Own = true // a patient's own client asks about nobody else
			}
		}
	}
	for _, entity := range e.Entity {
		for _, d := range entity.Detail {
			switch d.Type {
			case "class":
				l.Classes = append(l.Classes, d.ValueString)
			case "site":
				l.Site = hie.SiteID(d.ValueString)
			case "released":
				l.Released = 0
				for _, digit := range d.ValueString {
					l.Released = l.Released*10 + int(digit-'0')
				}
			case "emergency":
				l.Emergency = true
			}
		}
	}
	slices.Sort(l.Classes)
	l.Classes = slices.Compact(l.Classes)
	if l.Kind == audit.EmergencyClaimed {
		l.Emergency = true
	}
	return l, nil
}

// A lookFilter says which rows are wanted.
type lookFilter struct {
	// own includes what the patient did, automatic what systems did on their own.
	own, automatic bool
	// emergency wants emergencies alone, changes what changed, reads what was looked at; all false is everything.
	emergency, changes, reads bool
}

func (f lookFilter) wants(l look) bool {
	changed := l.Kind == audit.ConsentChanged || l.Kind == audit.LinkChanged || l.Kind == audit.PatientRegistered || l.Kind == audit.DocumentPublished
	switch {
	case l.Own && !f.own, l.Automatic && !f.automatic, f.emergency && !l.Emergency, f.changes && !changed, f.reads && changed:
		return false
	}
	return true
}

// maxLookPages bounds how many pages of the trail one page of ours reads.
const maxLookPages = 6

// looks returns up to n rows that f wants from cursor on, newest first, and where to go on, "" for the end.
func (v *visit) looks(f lookFilter, cursor string, n int) ([]look, string, error) {
	var out []look
	for range maxLookPages {
		var set fhir.Bundle
		path := "/fhir/AuditEvent?_count=100"
		if cursor != "" {
			path += "&_cursor=" + url.QueryEscape(cursor)
		}
		if err := v.read(http.MethodGet, path, nil, &set); err != nil {
			return nil, "", err
		}
		for _, e := range set.Entry {
			if e.Search != nil && e.Search.Mode == "outcome" {
				continue
			}
			l, err := readLook(e.Resource, v.myID())
			if err != nil {
				return nil, "", err
			}
			l.At = l.At.In(v.zone())
			if f.wants(l) {
				out = join(out, l)
			}
		}
		cursor = nextCursor(set)
		if cursor == "" || len(out) > n {
			break
		}
	}
	if len(out) > n && n < 10 { // a few for the home page
		out = out[:n]
	}
	return out, cursor, nil
}

// nextCursor returns the cursor of a searchset's next page, "" for none.
func nextCursor(set fhir.Bundle) string {
	for _, l := range set.Link {
		if l.Relation == "next" {
			if u, err := url.Parse(l.URL); err == nil {
				return u.Query().Get("_cursor")
			}
		}
	}
	return ""
}

// join adds l to rows, into the last one when both tell of one request: asking, and being shown what was found.
func join(rows []look, l look) []look {
	if len(rows) == 0 {
		return append(rows, l)
	}
	last := &rows[len(rows)-1]
	shows := func(k audit.Kind) bool { return k == audit.DocumentsQueried || k == audit.Disclosed }
	same := shows(l.Kind) && shows(last.Kind) && l.Organization == last.Organization && l.Name == last.Name && l.Refused == last.Refused &&
		slices.Equal(l.Purposes, last.Purposes) && last.At.Sub(l.At) < 2*time.Second
	if !same {
		return append(rows, l)
	}
	last.Classes = slices.Compact(slices.Sorted(slices.Values(append(last.Classes, l.Classes...))))
	last.Emergency = last.Emergency || l.Emergency
	if l.Kind == audit.DocumentsQueried { // it counts them all
		last.Kind, last.Released, last.ID = l.Kind, max(l.Released, last.Released), l.ID
	} else if last.Kind == audit.Disclosed {
		last.Released = max(last.Released, 0) + max(l.Released, 0)
	}
	last.Site = ""
	return rows
}

func (v *visit) lookFilter() lookFilter {
	q := v.c.Request.URL.Query()
	f := lookFilter{own: q.Get("own") == "1", automatic: q.Get("people") != "1"}
	switch q.Get("what") {
	case "emergency":
		f.emergency = true
	case "changes":
		f.changes = true
	case "reads":
		f.reads = true
	}
	return f
}

// looked answers GET /my/looked.
func (v *visit) looked() error {
	rows, next, err := v.looks(v.lookFilter(), v.c.Query("cursor"), 50)
	if err != nil {
		return err
	}
	q := v.c.Request.URL.Query()
	for i := range rows {
		rows[i].Askable = !rows[i].Own
	}
	data := map[string]any{"Looks": rows, "Next": "", "Own": q.Get("own") == "1", "People": q.Get("people") == "1", "What": cmp.Or(q.Get("what"), "all"), "Later": q.Get("cursor") != ""}
	if next != "" {
		q.Set("cursor", next)
		data["Next"] = "/my/looked?" + q.Encode()
	}
	if v.asked() {
		v.part("looked", "rows", data)
		return nil
	}
	v.show(http.StatusOK, "looked", data)
	return nil
}

// allLooks returns all rows a file holds, up to ten thousand.
func (v *visit) allLooks() ([]look, error) {
	var all []look
	cursor := ""
	for {
		rows, next, err := v.looks(lookFilter{own: true, automatic: true}, cursor, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if cursor = next; cursor == "" || len(all) > 10_000 {
			return all, nil
		}
	}
}

// lookedCSV answers GET /my/looked.csv: the history as a table for a spreadsheet.
func (v *visit) lookedCSV() error {
	rows, err := v.allLooks()
	if err != nil {
		return err
	}
	say := func(key string) string { return v.words.say(v.language, key) }
	coded := func(prefix, code string) string {
		if w, ok := v.words[v.language][prefix+code]; ok {
			return w
		}
		return code
	}
	v.download("text/csv; charset=utf-8", "who-looked.csv")
	w := sheet.NewWriter(v.c.Writer)
	w.Row(say("look.when"), say("look.organization"), say("look.person"), say("look.role"), say("look.purpose"), say("look.what"), say("look.kinds"), say("look.outcome"), say("look.emergency"))
	for _, l := range rows {
		var purposes, kinds []string
		for _, p := range l.Purposes {
			purposes = append(purposes, coded("purpose.", p))
		}
		for _, k := range l.Classes {
			kinds = append(kinds, coded("kind.", k))
		}
		mark := ""
		if l.Emergency {
			mark = say("look.emergency")
		}
		person := l.Name
		if l.Automatic {
			person = say("look.automatic")
		}
		w.Row(l.At.Format(time.RFC3339), l.OrgName, person, coded("role.", l.Role), strings.Join(purposes, "; "), say(l.Say()), strings.Join(kinds, "; "), say(l.Outcome()), mark)
	}
	_ = w.Flush() // a browser that has gone misses nothing
	return nil
}

// download sets the header of a file to keep.
func (v *visit) download(contentType, name string) {
	v.c.Header("Content-Type", contentType)
	v.c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	v.c.Status(http.StatusOK)
}

// lookedFHIR answers GET /my/looked.json: the newest five hundred AuditEvents as the API serves them.
func (v *visit) lookedFHIR() error {
	a, err := v.call(http.MethodGet, "/fhir/AuditEvent?_count=500", nil)
	if err != nil {
		return err
	}
	v.download("application/fhir+json; charset=utf-8", "who-looked.json")
	_, _ = v.c.Writer.Write(a.body)
	return nil
}
