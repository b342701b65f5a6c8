package mpi

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// Quality says how good the index's data and its stewards' work are, for those who mend both. What concerns records is
// counted in a sample of persons, each with all its records; shares hold for the whole index, counts for the sample.
//
// Source: spec ux W6.
type Quality struct {
	At, Since time.Time
	// Persons is about how many there are, Sampled how many of them were looked at; Whole is set when all were.
	Persons int64
	Sampled int
	Whole   bool
	// Sites are those with a record in the sample, in order.
	Sites  []SiteQuality
	Tuples TupleQuality
	// Tasks has one entry for each kind of which there is a task, in the order of TaskKinds.
	Tasks   []TaskFigure
	Reviews ReviewFigures
	// Days has each day from Since to At, in UTC, oldest first; the first is not whole, and the last not over.
	Days []DayFigure
}

// SiteQuality counts one site's registrations in the sample. Retired and withdrawn ones are in Retired alone.
type SiteQuality struct {
	Site             hie.SiteID
	Records, Retired int
	// Filled counts the records that say something usable in a field of QualityFields, Placeholders those that have a value
	// there that counts as missing.
	Filled, Placeholders map[string]int
	// Duplicates are records beyond the first that the site has of one person.
	Duplicates int
	// Shared are records whose person another site has, too.
	Shared int
	// Disputed are records whose latest update looks like somebody else's; Overlays are the updates since Quality.Since that
	// did, in the whole index.
	Disputed int
	Overlays int
}

// TupleQuality says how many persons bear one exact combination of first given name, family name, birth date and sex. More
// than one are namesakes, or one person not put together.
type TupleQuality struct {
	// Looked combinations were looked for in the whole index; Skipped ones are borne by more records than are read.
	Looked, Skipped int
	// Several are those that more than one person bears, Persons the sum over all looked for, Most the most of one.
	Several, Persons, Most int
}

// A TaskFigure counts the tasks of one kind.
type TaskFigure struct {
	Kind                              TaskKind
	Open, Claimed, Snoozed, Escalated int
	Oldest                            time.Time // when the oldest open one was opened; zero for none
	Opened                            int       // since Quality.Since, as all that follows
	Closed, ByEngine                  int
	Same, Different, CannotTell       int           // of those people closed
	MedianAge                         time.Duration // at closing, of those people closed
}

// ReviewFigures count what people did since Quality.Since.
type ReviewFigures struct {
	// Changes of links by people, and how many changes were taken back: those people had made, and those of the engine.
	Changes, UndonePeople, UndoneEngine int
	// Second tasks needed two reviewers; in Agreed of them nobody had said otherwise.
	Second, Agreed int
	// Decided are the tasks people closed, in Hours hours of work: one for each person and hour of the clock in which they
	// closed any.
	Decided, Hours int
}

// A DayFigure counts what came into the queue on a day and what left it.
type DayFigure struct {
	Day                       time.Time // its midnight
	Opened, Decided, ByEngine int       // ByEngine closed because new evidence answered them, Decided by people
}

// QualityFields are the fields whose completeness is counted, in order.
func QualityFields() []string {
	return []string{"given", "family", "birth-date", "sex", "address", "phone", "email", "ssn", "identifier"}
}

// placeOf is the field of QualityFields a dropped value belongs to, "" for none.
var placeOf = map[string]string{"name": "family", "given": "given", "family": "family", "birth-date": "birth-date", "street": "address", "city": "address",
	"phone": "phone", "email": "email", "ssn": "ssn", "identifier": "identifier"}

// meant are the reasons for which a value is left out though it was meant: they are no placeholders.
var meant = map[string]bool{"newborn": true, "tax number": true, "shared by a family": true, "anonymous": true}

func (v *values) filled() map[string]bool {
	street := slices.ContainsFunc(v.addresses, func(a postal) bool { return a.line != "" && (a.zip != "" || a.city != "") })
	return map[string]bool{"given": len(v.givens) > 0, "family": len(v.families) > 0, "birth-date": v.birth.Day != 0, "sex": v.sex != 0, "address": street,
		"phone": len(v.phones) > 0, "email": len(v.emails) > 0, "ssn": v.ssn != "", "identifier": len(v.ids) > 0}
}

// A sampled is a person with what its records say.
type sampled struct {
	members []Member
	records []PatientRow
}

// summarize counts sites' records in persons. overlays are the sites of overlays.
func summarize(persons []sampled, overlays []hie.SiteID) []SiteQuality {
	sites := map[hie.SiteID]*SiteQuality{}
	at := func(site hie.SiteID) *SiteQuality {
		q := sites[site]
		if q == nil {
			q = &SiteQuality{Site: site, Filled: map[string]int{}, Placeholders: map[string]int{}}
			sites[site] = q
		}
		return q
	}
	for _, p := range persons {
		links := map[hie.SourcePatientID]hie.LinkState{}
		for _, m := range p.members {
			links[m.Record] = m.Link
		}
		own := map[hie.SiteID]int{}
		for i := range p.records {
			r := &p.records[i]
			q := at(r.Site)
			if !r.Active || r.AliasOf != 0 {
				q.Retired++
				continue
			}
			q.Records++
			own[r.Site]++
			if links[r.Record] == hie.LinkDisputed {
				q.Disputed++
			}
			q.count(normalize(r.Demographics))
		}
		for site, n := range own {
			at(site).Duplicates += n - 1
			if len(own) > 1 {
				at(site).Shared += n
			}
		}
	}
	for _, site := range overlays {
		at(site).Overlays++
	}
	out := make([]SiteQuality, 0, len(sites))
	for _, site := range slices.Sorted(maps.Keys(sites)) {
		out = append(out, *sites[site])
	}
	return out
}

// count adds one record.
func (q *SiteQuality) count(v values) {
	for field, is := range v.filled() {
		if is {
			q.Filled[field]++
		}
	}
	seen := map[string]bool{}
	for _, d := range v.dropped {
		if field := placeOf[d.Field]; field != "" && !meant[d.Reason] && !seen[field] {
			seen[field] = true
			q.Placeholders[field]++
		}
	}
}

// tuple returns the exact combination d bears, "" when a part is missing.
func tuple(v *values) string {
	if len(v.givens) == 0 || len(v.families) == 0 || v.birth.Day == 0 || v.sex == 0 {
		return ""
	}
	_, birth, _, _, _ := v.birthParts()
	return strings.Join([]string{v.givens[0], v.families[0].whole, birth, string(rune(v.sex))}, "|")
}
