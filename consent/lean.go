package consent

import (
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A Span is a stretch of time: From <= t < To.
type Span struct{ From, To time.Time }

// Holds reports whether t lies in s.
func (s Span) Holds(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// The ways a disclosure leans on a link between two records.
const (
	// LeanAsked: the requester named the other record, and was shown this one's documents.
	LeanAsked = "asked about the other"
	// LeanConsent: a directive given on the other record is among what it rests on.
	LeanConsent = "consent of the other"
	// LeanFound: the document was handed over after it had been found through the link.
	LeanFound = "found through the link"
)

// A Leaning is a disclosure of one record's documents that would not have happened so without a link to another.
type Leaning struct {
	audit.Event
	Record, Other hie.SourcePatientID
	// Why are Lean words, in the order above.
	Why []string
}

// A Linked is two records that were held to be one person, and what is known of that time.
type Linked struct {
	Records [2]hie.SourcePatientID
	// Spans are when they were.
	Spans []Span
	// Directives returns the record a directive was given on, 0 for one not known.
	Directives func(id string) hie.SourcePatientID
	// Asked returns the record a query event named, 0 when that cannot be told.
	Asked func(query audit.Event) hie.SourcePatientID
}

// Leaned returns the disclosures among events, which are in any order, that leaned on the link l: newest first.
//
// Source: spec consent 2.13 (disclosures made under an undone link are listed for review) and scenario 1.
func Leaned(events []audit.Event, l Linked) []Leaning {
	asked := map[string]hie.SourcePatientID{} // by request
	for _, e := range events {
		if e.Kind == audit.DocumentsQueried && e.Actor.Request != "" {
			if r := l.Asked(e); r != 0 {
				asked[e.Actor.Request] = r
			}
		}
	}
	ordered := slices.Clone(events)
	slices.SortFunc(ordered, func(a, b audit.Event) int { return strings.Compare(a.ID, b.ID) })
	type finding struct {
		org hie.OrgID
		doc audit.Document
	}
	found := map[finding]bool{}
	var out []Leaning
	for _, e := range ordered {
		if e.Kind != audit.Disclosed || !slices.ContainsFunc(l.Spans, func(s Span) bool { return s.Holds(e.Time) }) {
			continue
		}
		for i, r := range l.Records {
			other := l.Records[1-i]
			if !slices.Contains(e.Records, r) {
				continue
			}
			var why []string
			if asked[e.Actor.Request] == other {
				why = append(why, LeanAsked)
			}
			if slices.ContainsFunc(e.Ground, func(g string) bool {
				id, _, ok := strings.Cut(g, "/")
				return ok && l.Directives(id) == other
			}) {
				why = append(why, LeanConsent)
			}
			through := false
			for _, d := range e.Documents {
				key := finding{e.Actor.Organization, audit.Document{Record: d.Record, Pointer: d.Pointer}}
				if d.Record == r && why != nil {
					found[key] = true
				}
				through = through || d.Record == r && found[key]
			}
			if why == nil && through {
				why = append(why, LeanFound)
			}
			if why != nil {
				out = append(out, Leaning{Event: e, Record: r, Other: other, Why: why})
			}
		}
	}
	slices.Reverse(out)
	return out
}
