package portal

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// What became of the places that hold documents, or may.

// A siteState is what became of one site: its words are fate.FATE.
type siteState struct {
	Site hie.SiteID
	// Fate is a federation.Fate, or "asking" or "slow" while a site is being asked.
	Fate string
}

// states are what became of sites, each once, in the order they became known.
type states []siteState

// set notes that fate became of site.
func (s *states) set(site hie.SiteID, fate string) {
	if site == "" {
		return
	}
	for i := range *s {
		if (*s)[i].Site == site {
			(*s)[i].Fate = fate
			return
		}
	}
	*s = append(*s, siteState{site, fate})
}

// put notes what others know.
func (s *states) put(others states) {
	for _, o := range others {
		s.set(o.Site, o.Fate)
	}
}

// turn makes every from a to.
func (s states) turn(from, to string) {
	for i := range s {
		if s[i].Fate == from {
			s[i].Fate = to
		}
	}
}

func (s states) any(fate string) bool {
	return slices.ContainsFunc(s, func(o siteState) bool { return o.Fate == fate })
}

// answered counts the sites that answered, in part or without documents too.
func (s states) answered() int {
	n := 0
	for _, o := range s {
		if o.Fate == "answered" || o.Fate == "partial" {
			n++
		}
	}
	return n
}

// byName orders states by the names of their sites, so that a row stays where it is while its state changes.
func (v *visit) byName(s states) states {
	name := func(id hie.SiteID) string {
		site, _ := v.deps.Network().Site(id)
		return site.Name
	}
	return slices.SortedFunc(slices.Values(s), func(a, b siteState) int {
		return cmp.Or(cmp.Compare(name(a.Site), name(b.Site)), cmp.Compare(a.Site, b.Site))
	})
}

// fates are what the API says of sites that did not answer in full.
var fates = []string{"late", "failed", "refused", "skipped", "partial", "unasked"}

// silent reads the sites that did not answer from a search's notes into s.
func (v *visit) silent(set fhir.Bundle, s *states) {
	for _, e := range set.Entry {
		if e.Search == nil || e.Search.Mode != "outcome" {
			continue
		}
		var oo fhir.OperationOutcome
		if fhir.Decode(e.Resource, &oo) != nil {
			continue
		}
		for _, i := range oo.Issue {
			if i.Details == nil || !slices.Contains(fates, i.Details.Text) {
				continue
			}
			var named hie.SiteID
			longest := 0
			for _, site := range v.deps.Network().Sites() {
				if strings.HasPrefix(i.Diagnostics, site.Name+" ") && len(site.Name) > longest {
					named, longest = site.ID, len(site.Name)
				}
			}
			s.set(named, i.Details.Text)
		}
	}
}

// A round is one asking of the sites that do not publish, as far as it has come.
type round struct {
	Sites states
	// Done says that it has come to its end.
	Done bool
}

// hear notes what was heard of a site.
func (r *round) hear(h federation.Hearing) {
	fate := string(h.Fate)
	if h.Fate == federation.Empty {
		fate = string(federation.Answered)
	}
	r.Sites.set(h.Site, fate)
}

// roundLife is for how long a page that is opened again rests on what sites answered before rather than asking anew.
const roundLife = 2 * time.Minute

// roundName is where the round about a patient lies: this session's, and apart for an emergency.
func (v *visit) roundName(patient string) string {
	actor, _ := v.asking(patient)
	purposes := make([]string, len(actor.Purposes))
	for i, p := range actor.Purposes {
		purposes[i] = string(p)
	}
	sum := sha256.Sum256([]byte(v.sessionID + "\x00" + patient + "\x00" + strings.Join(purposes, " ")))
	return "round " + hex.EncodeToString(sum[:])
}

// round returns how far the asking about a patient has come in this session; the zero round when nobody was asked lately, or
// it cannot be told.
func (v *visit) round(patient string) round {
	var r round
	raw, err := v.deps.Sessions.Get(v.ctx, v.roundName(patient))
	if err == nil {
		if plain, err := v.deps.Sealer.Open("portal round", string(raw)); err == nil {
			_ = json.Unmarshal(plain, &r) // of another version of the program: the sites are asked again
		}
	}
	return r
}

// keepRound keeps r for the pages that follow. One that cannot be kept is asked again.
func (v *visit) keepRound(patient string, r round) {
	if plain, err := json.Marshal(r); err == nil {
		_ = v.deps.Sessions.Put(v.ctx, v.roundName(patient), []byte(v.deps.Sealer.Seal("portal round", plain)), roundLife)
	}
}
