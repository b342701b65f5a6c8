package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// W4, a person: the best record with the source of each field, the registrations, and what changed about them.

// An origin is where one field of a best record comes from.
type origin struct {
	Field  string     `json:"field"`
	Place  int        `json:"place"`
	Record string     `json:"record"`
	Site   hie.SiteID `json:"site"`
	Reason string     `json:"reason"`
	Agree  int        `json:"agree"`
	Differ int        `json:"differ"`
	// Value is what it says.
	Value string
}

// A linkEvent is one change of a registration's links.
type linkEvent struct {
	Change   string     `json:"change"`
	Kind     string     `json:"kind"`
	At       time.Time  `json:"at"`
	Cause    string     `json:"cause"`
	Record   string     `json:"record"`
	Other    string     `json:"other"`
	From     *linkPlace `json:"from"`
	To       *linkPlace `json:"to"`
	Verdict  string     `json:"verdict"`
	Model    string     `json:"model"`
	Grade    string     `json:"grade"`
	Bits     float64    `json:"bits"`
	Evidence []evidence `json:"evidence"`
	By       string     `json:"by"`
	Reason   string     `json:"reason"`
	Undoes   string     `json:"undoes"`
}

// A linkPlace is a person and how surely a registration is theirs.
type linkPlace struct {
	Person string `json:"person"`
	Link   string `json:"link"`
}

// Who names the person who decided, "" where a rule did.
func (e linkEvent) Who() string { return actorName(e.By) }

// Does is the key of the words for what happened.
func (e linkEvent) Does() string {
	switch {
	case e.Kind == "moved" && e.From == nil:
		return "happened.registered"
	case e.Kind == "moved" && e.To == nil:
		return "happened.withdrawn"
	case e.Kind == "moved" && e.From.Person == e.To.Person:
		return "happened.link"
	case e.Kind == "constrained":
		return "happened." + e.Verdict
	}
	return "happened." + e.Kind
}

// recordForm answers GET /steward/records.
func (v *visit) recordForm() error {
	v.showRecordForm(http.StatusOK, "", "", nil)
	return nil
}

func (v *visit) showRecordForm(status int, site, number string, faults []fault) {
	v.show(status, "steward/records", map[string]any{"Sites": v.registrars(), "Site": site, "Number": number, "Faults": faults})
}

// registrars are the sites that give patients numbers.
func (v *visit) registrars() []directory.Site {
	return slices.DeleteFunc(v.deps.Network().Sites(), func(s directory.Site) bool { return len(s.Authorities) == 0 })
}

// recordAt returns the public id of the record a site knows by a number; hie.ErrNotFound when there is none.
func (v *visit) recordAt(site, number string) (string, error) {
	s, known := v.deps.Network().Site(hie.SiteID(site))
	if !known {
		return "", hie.ErrNotFound
	}
	for _, system := range s.Authorities {
		record, err := v.deps.RecordOf(v.ctx, hie.Identifier{System: system, Value: number})
		switch {
		case err == nil:
			return v.deps.PatientID(record), nil
		case !errors.Is(err, hie.ErrNotFound):
			return "", err
		}
	}
	return "", hie.ErrNotFound
}

// findRecord answers POST /steward/records: a record by the number a site knows it by.
func (v *visit) findRecord() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	site, number := form.Get("site"), strings.TrimSpace(form.Get("number"))
	record, err := v.recordAt(site, number)
	if errors.Is(err, hie.ErrNotFound) {
		v.showRecordForm(http.StatusUnprocessableEntity, site, number, []fault{{"number", "locals.fault.unknown"}})
		return nil
	}
	if err != nil {
		return err
	}
	return v.redirect("/steward/records/" + record)
}

// identity answers GET /steward/records/:record?at=.
func (v *visit) identity() error { return v.showIdentity(http.StatusOK, nil) }

func (v *visit) showIdentity(status int, faults []fault) error {
	record := v.c.Param("record")
	var person struct {
		Person  string   `json:"person"`
		Version int64    `json:"version"`
		Members []member `json:"members"`
	}
	path := recordPath(record)
	at, then := v.instant(v.c.Query("at"))
	if then {
		path += "?at=" + url.QueryEscape(at.UTC().Format(time.RFC3339))
	}
	if err := v.read(http.MethodGet, path, nil, &person); err != nil {
		return err
	}
	var best struct {
		Patient patientSaid `json:"patient"`
		Origins []origin    `json:"origins"`
	}
	if !then { // the best record is of now
		if err := v.read(http.MethodGet, recordPath(record)+"/best", nil, &best); err != nil {
			return err
		}
	}
	for i := range best.Origins {
		best.Origins[i].Value = bestValue(best.Patient, best.Origins[i])
	}
	var history struct {
		Events []linkEvent `json:"events"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/match/persons/"+url.PathEscape(person.Person)+"/history", nil, &history); err != nil && !errors.Is(err, hie.ErrNotFound) {
		return err
	}
	slices.Reverse(history.Events)
	for i := range history.Events {
		history.Events[i].At = history.Events[i].At.In(v.zone())
	}
	sites := map[string]hie.SiteID{}
	var all []string
	for _, m := range person.Members {
		sites[m.Record] = m.Site
		all = append(all, m.Record)
	}
	v.show(status, "steward/identity", map[string]any{"Record": record, "Members": person.Members, "Origins": best.Origins, "Events": history.Events,
		"Then": then, "At": at.In(v.zone()), "AtValue": v.c.Query("at"), "Sites": sites, "Registrars": v.registrars(), "Faults": faults, "Several": len(all) > 1})
	return nil
}

// instant reads what a datetime-local field says, in the zone of the reader; false when it says nothing that can be read.
func (v *visit) instant(s string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, v.zone()); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// bestValue is what the best record says at an origin's field and place.
func bestValue(p patientSaid, o origin) string {
	names := map[string]string{"multiple-birth": "birth-order", "deceased": "death-date"}
	name := o.Field
	if n, ok := names[name]; ok {
		name = n
	}
	at := func(all []string) string {
		if o.Place < len(all) {
			return all[o.Place]
		}
		return ""
	}
	switch name {
	case "name":
		if o.Place < len(p.Name) {
			return nameOf(p.Name[o.Place : o.Place+1])
		}
		return ""
	case "identifier":
		if o.Place < len(p.Identifier) {
			return p.Identifier[o.Place].Value
		}
		return ""
	}
	for _, f := range fields {
		if f.name == name {
			return at(f.read(p.Patient))
		}
	}
	return ""
}

// compareWith answers POST /steward/records/:record/with: the record beside another one, found by a site's number.
func (v *visit) compareWith() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	other, err := v.recordAt(form.Get("site"), strings.TrimSpace(form.Get("number")))
	if errors.Is(err, hie.ErrNotFound) || other == v.c.Param("record") {
		return v.showIdentity(http.StatusUnprocessableEntity, []fault{{"number", "locals.fault.unknown"}})
	}
	if err != nil {
		return err
	}
	return v.redirect("/steward/compare/" + url.PathEscape(v.c.Param("record")) + "/" + other)
}

// sideBySide answers GET /steward/records/:record/all: up to six registrations of the person as columns.
func (v *visit) sideBySide() error {
	record := v.c.Param("record")
	var person struct {
		Members []member `json:"members"`
	}
	if err := v.read(http.MethodGet, recordPath(record), nil, &person); err != nil {
		return err
	}
	var all []string
	for _, m := range person.Members {
		all = append(all, m.Record)
	}
	if len(all) < 2 {
		return v.redirect("/steward/records/" + url.PathEscape(record))
	}
	c, err := v.compareRecords(all[:min(6, len(all))]...)
	if err != nil {
		return err
	}
	v.show(http.StatusOK, "steward/all", map[string]any{"Record": record, "Comparison": c, "More": len(all) - len(c.Columns)})
	return nil
}
