package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/internal/fhir"
)

// O3, the access explorer: the audit trail by patient, person, organisation, purpose, time, outcome and kind, as the
// AuditEvent doors tell it. What is sought stays in the session, never in an address: it may name people.

// A sought is what an officer looks for in the trail.
type sought struct {
	From, To      string // days, of the officer's zone
	Org, User     string
	Kind, Outcome string
	Purpose       string
	Emergency     bool
	Patient       string // a sealed id
	// Flagged leaves out what there is no reason to look at.
	Flagged bool
}

// What the trail can be narrowed to.
var (
	soughtKinds = []audit.Kind{audit.DocumentsQueried, audit.Disclosed, audit.PatientQueried, audit.Refused, audit.EmergencyClaimed, audit.EmergencyEnded, audit.ConsentChanged,
		audit.LinkChanged, audit.PatientRegistered, audit.DocumentPublished, audit.Administered, audit.SignInFailed, audit.AuditRead}
	soughtOutcomes = []string{"0", "4", "8"}
)

// daysBack is how far back the explorer looks when nothing else is said.
const daysBack = 7

// readSought reads what the session keeps, made whole.
func (v *visit) readSought(form url.Values) sought {
	one := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	s := sought{From: one("from"), To: one("to"), Org: one("org"), User: one("user"), Kind: one("kind"), Outcome: one("outcome"), Purpose: one("purpose"),
		Emergency: one("emergency") == "1", Patient: one("patient"), Flagged: one("flagged") == "1"}
	if !slices.Contains(soughtKinds, audit.Kind(s.Kind)) {
		s.Kind = ""
	}
	if !slices.Contains(soughtOutcomes, s.Outcome) {
		s.Outcome = ""
	}
	if !slices.Contains(explainPurposes, s.Purpose) {
		s.Purpose = ""
	}
	if _, err := time.Parse(time.DateOnly, s.From); err != nil {
		s.From = v.now.In(v.zone()).AddDate(0, 0, -daysBack).Format(time.DateOnly)
	}
	if _, err := time.Parse(time.DateOnly, s.To); err != nil {
		s.To = v.now.In(v.zone()).Format(time.DateOnly)
	}
	return s
}

// query is s as search parameters of AuditEvent; what the trail cannot be searched by is left to wants.
func (s sought) query(zone *time.Location) url.Values {
	q := url.Values{"_count": {"200"}}
	for _, bound := range []struct {
		prefix, day string
		after       int
	}{{"ge", s.From, 0}, {"lt", s.To, 1}} {
		if day, err := time.ParseInLocation(time.DateOnly, bound.day, zone); err == nil {
			q.Add("date", bound.prefix+day.AddDate(0, 0, bound.after).Format(time.RFC3339))
		}
	}
	for name, value := range map[string]string{"agent": s.Org, "altid": escapeToken(s.User), "subtype": s.Kind, "outcome": s.Outcome, "patient": s.Patient} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// wants reports whether a row the trail gave is sought.
func (s sought) wants(a traced) bool {
	return (s.Purpose == "" || slices.Contains(a.Purposes, s.Purpose)) && (!s.Emergency || a.Emergency)
}

// A traced is one event of the trail.
type traced struct {
	look
	User string
	// Patients are the sealed ids of the records it touched.
	Patients []string
	// Flags say why it may be worth a look.
	Flags []flag
}

// A flag is one reason with the figures it rests on, as the API gives it.
type flag struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
	Usual int    `json:"usual"`
}

// flagged asks which of rows may be worth a look and why, and leaves the others out when only is set.
func (v *visit) flagged(rows []traced, only bool) ([]traced, error) {
	at, in := map[string]int{}, []string{}
	for i, r := range rows {
		if r.Kind == audit.DocumentsQueried || r.Kind == audit.Disclosed || r.Kind == audit.EmergencyClaimed {
			at[r.ID], in = i, append(in, r.ID)
		}
	}
	for part := range slices.Chunk(in, 200) { // as many as the API takes at once
		var out struct {
			Flagged []struct {
				Event string `json:"event"`
				Flags []flag `json:"flags"`
			} `json:"flagged"`
		}
		if err := v.read(http.MethodPost, "/admin/v1/audit/flags", map[string]any{"events": part}, &out); err != nil {
			return nil, err
		}
		for _, f := range out.Flagged {
			if i, there := at[f.Event]; there {
				rows[i].Flags = f.Flags
			}
		}
	}
	if only {
		rows = slices.DeleteFunc(rows, func(r traced) bool { return len(r.Flags) == 0 })
	}
	return rows, nil
}

func (v *visit) readTraced(raw []byte) (traced, error) {
	l, err := readLook(raw, "")
	if err != nil {
		return traced{}, err
	}
	out := traced{look: l}
	out.At, out.Own = l.At.In(v.zone()), false
	var e fhir.AuditEvent
	if err := (answer{body: raw}).into(&e); err != nil {
		return traced{}, err
	}
	for _, a := range e.Agent {
		if a.Type != nil && len(a.Type.Coding) > 0 && (a.Type.Coding[0].Code == "IRCP" || a.Type.Coding[0].Code == "AUT") && a.Who != nil && a.Who.Identifier != nil {
			out.User = a.Who.Identifier.Value
		}
	}
	for _, entity := range e.Entity {
		if entity.What != nil {
			if id, ok := strings.CutPrefix(entity.What.Reference, "Patient/"); ok && !slices.Contains(out.Patients, id) {
				out.Patients = append(out.Patients, id)
			}
		}
	}
	return out, nil
}

// trail returns what s seeks from cursor on, newest first, and where to go on, "" for the end. It reads a bounded part of the
// trail: a page may hold few rows and yet go on.
func (v *visit) trail(s sought, cursor string, n int) ([]traced, string, error) {
	var out []traced
	for range maxLookPages {
		q := s.query(v.zone())
		if cursor != "" {
			q = url.Values{"_count": {"200"}, "_cursor": {cursor}}
		}
		var set fhir.Bundle
		if err := v.read(http.MethodPost, "/fhir/AuditEvent/_search", []byte(q.Encode()), &set, "Content-Type", "application/x-www-form-urlencoded"); err != nil {
			return nil, "", err
		}
		for _, e := range set.Entry {
			if e.Search != nil && e.Search.Mode == "outcome" {
				continue
			}
			t, err := v.readTraced(e.Resource)
			if err != nil {
				return nil, "", err
			}
			if s.wants(t) {
				out = append(out, t)
			}
		}
		if cursor = nextCursor(set); cursor == "" || len(out) >= n {
			break
		}
	}
	return out, cursor, nil
}

// explorer answers GET /officer/access?patient=&flagged=&cursor=: what was sought last. A patient is named by a sealed id.
func (v *visit) explorer() error { return v.showExplorer(http.StatusOK, nil) }

func (v *visit) showExplorer(status int, faults []fault) error {
	form := v.draft("explorer")
	if p := v.c.Query("patient"); p != "" { // a link from a patient's file begins anew
		form = url.Values{"patient": {p}, "from": {v.now.AddDate(-1, 0, 0).Format(time.DateOnly)}}
		if err := v.keepDraft("explorer", form); err != nil {
			return err
		}
	}
	if v.c.Query("flagged") == "1" && v.c.Query("cursor") == "" { // so does one from what waits
		form = url.Values{"flagged": {"1"}, "from": {v.now.In(v.zone()).AddDate(0, 0, -1).Format(time.DateOnly)}}
		if err := v.keepDraft("explorer", form); err != nil {
			return err
		}
	}
	s := v.readSought(form)
	rows, next, err := v.trail(s, v.c.Query("cursor"), 50)
	if err != nil {
		return err
	}
	if rows, err = v.flagged(rows, s.Flagged); err != nil {
		return err
	}
	if next != "" {
		next = "/officer/access?" + url.Values{"cursor": {next}}.Encode()
	}
	saved, err := v.savedSearches()
	if err != nil {
		return err
	}
	v.show(status, "officer/access", map[string]any{"Sought": s, "Saved": saved, "Faults": faults, "Rows": rows, "Next": next, "Orgs": v.sharers(), "Kinds": soughtKinds,
		"Outcomes": soughtOutcomes, "Purposes": explainPurposes})
	return nil
}

// explore answers POST /officer/access: keeps what is sought and shows it.
func (v *visit) explore() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if form.Get("clear") != "" {
		form = nil
	}
	if err := v.keepDraft("explorer", form); err != nil {
		return err
	}
	return v.redirect("/officer/access")
}

// explorerCSV answers GET /officer/access.csv: what is sought, as a table the exchange signed.
func (v *visit) explorerCSV() error {
	s := v.readSought(v.draft("explorer"))
	q := s.query(v.zone())
	q.Del("_count")
	if s.Purpose != "" {
		q.Set("purpose", s.Purpose)
	}
	if s.Emergency {
		q.Set("emergency", "true")
	}
	a, err := v.call(http.MethodPost, "/admin/v1/audit/table", []byte(q.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	if err != nil {
		return err
	}
	v.download("text/csv; charset=utf-8", "access.csv")
	_, _ = v.c.Writer.Write(a.body) // a browser that has gone misses nothing
	return nil
}

// Who is the person, "" where a system acted on its own.
func (t traced) Who() string {
	if t.Name != "" {
		return t.Name
	}
	return t.User
}
