package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// O3, saved searches: what an officer looks for in the trail again and again, by name, over the last days. Each is whoever's saved it
// alone; addresses hold its sealed number, never what it seeks.

// Searches keeps saved searches. *auditpg.Searches is one; its methods say what each does.
type Searches interface {
	Save(ctx context.Context, actor hie.Actor, s audit.SavedSearch) error
	Of(ctx context.Context, actor hie.Actor) ([]audit.SavedSearch, error)
	Forget(ctx context.Context, actor hie.Actor, id int64) error
}

// A savedSearch is one as the page shows it.
type savedSearch struct {
	audit.SavedSearch
	Ref string
}

func (v *visit) savedSearches() ([]savedSearch, error) {
	all, err := v.deps.Searches.Of(v.ctx, v.actor())
	if err != nil {
		return nil, err
	}
	out := make([]savedSearch, 0, len(all))
	for _, s := range all {
		out = append(out, savedSearch{s, v.deps.Sealer.ID("search", s.ID, 0)})
	}
	return out, nil
}

// days is how many days s looks back, the day it is included.
func (s sought) days(zone *time.Location, now time.Time) int {
	from, err := time.ParseInLocation(time.DateOnly, s.From, zone)
	if err != nil {
		return daysBack
	}
	return min(max(int(now.Sub(from)/(24*time.Hour)), 1), audit.MaxSavedDays)
}

// saveSearch answers POST /officer/access/saved: what is sought now is kept under a name.
func (v *visit) saveSearch() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	s := v.readSought(v.draft("explorer"))
	saved := audit.SavedSearch{Name: strings.TrimSpace(form.Get("name")), Days: s.days(v.zone(), v.now), Organization: hie.OrgID(s.Org), User: s.User, Kind: audit.Kind(s.Kind),
		Outcome: s.Outcome, Purpose: hie.Purpose(s.Purpose), Emergency: s.Emergency}
	if s.Patient != "" {
		record, _, err := v.id("patient", s.Patient)
		if err != nil {
			return err
		}
		saved.Record = hie.SourcePatientID(record)
	}
	if wrong(saved.Check()) {
		return v.showExplorer(http.StatusUnprocessableEntity, []fault{{"name", "trail.fault.name"}})
	}
	if err := v.deps.Searches.Save(v.ctx, v.actor(), saved); err != nil {
		return err
	}
	return v.explored("trail.saved")
}

// explored leads back to the explorer, which says what was done.
func (v *visit) explored(said string) error {
	if err := v.say(said); err != nil {
		return err
	}
	return v.redirect("/officer/access")
}

// openSearch answers POST /officer/access/saved/:search: it is sought from now on, up to today.
func (v *visit) openSearch() error {
	id, _, err := v.id("search", v.c.Param("search"))
	if err != nil {
		return err
	}
	all, err := v.deps.Searches.Of(v.ctx, v.actor())
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.ID != id {
			continue
		}
		form := url.Values{"from": {v.now.In(v.zone()).AddDate(0, 0, -s.Days).Format(time.DateOnly)}, "org": {string(s.Organization)}, "user": {s.User}, "kind": {string(s.Kind)},
			"outcome": {s.Outcome}, "purpose": {string(s.Purpose)}, "emergency": {map[bool]string{true: "1"}[s.Emergency]}}
		if s.Record != 0 {
			form.Set("patient", v.deps.PatientID(s.Record))
		}
		if err := v.keepDraft("explorer", form); err != nil {
			return err
		}
		return v.redirect("/officer/access")
	}
	return hie.ErrNotFound
}

// forgetSearch answers POST /officer/access/saved/:search/forget.
func (v *visit) forgetSearch() error {
	id, _, err := v.id("search", v.c.Param("search"))
	if err != nil {
		return err
	}
	if err := v.deps.Searches.Forget(v.ctx, v.actor(), id); err != nil {
		return err
	}
	return v.explored("trail.forgotten")
}
