package directory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Participation says how far a site takes part. One that is joining, or suspended, may get tokens, register patients and
// publish; nothing of its is disclosed to anybody, and nothing is disclosed to its organisation. The zero Participation is none,
// and no Network holds a site with it.
//
// Source: spec ux A3; spec federation 2.1 (draft, verified, approved by two people, active, suspended).
type Participation string

// The participations there are.
const (
	Joining   Participation = "joining"
	Live      Participation = "live"
	Suspended Participation = "suspended"
)

// Known reports whether m is one of the participations there are.
func (m Participation) Known() bool { return m == Joining || m == Live || m == Suspended }

// Live reports whether what a site holds may be disclosed, as far as the directory goes: it is known, and its go-live is
// signed off.
func (n *Network) Live(site hie.SiteID) bool { return n.sites[site].Membership == Live }

// Admitted reports whether anything may be disclosed to org, as far as the directory goes. It may where a live site that takes
// part is org's or a unit's of it, and where no site says otherwise: a payer, an app, the network itself have none. A unit
// without sites goes by the nearest organisation above it that has some. One not known is not admitted.
func (n *Network) Admitted(org hie.OrgID) bool { return n.admitted[org] }

// admit settles which organisations are admitted. A retired site that was live says nothing.
func (n *Network) admit() {
	says := map[hie.OrgID]bool{} // whether the sites of an organisation and its units let it in
	for _, s := range n.sites {
		if live := s.Membership == Live; !live || s.Active {
			for _, o := range n.Ancestors(s.Org) {
				says[o] = says[o] || live
			}
		}
	}
	n.admitted = make(map[hie.OrgID]bool, len(n.orgs))
	for id := range n.orgs {
		n.admitted[id] = true
		for _, o := range n.Ancestors(id) {
			if in, said := says[o]; said {
				n.admitted[id] = in
				break
			}
		}
	}
}

// Enter returns f with the membership of each site as it will be when f replaces before: a known site keeps its own, since
// only a signed-off go-live changes it, and a new one is joining. A file may say so, and nothing else; the first file of a
// directory without sites may also say that its sites are live, since there is nobody yet to sign them off.
func (f File) Enter(before *Network) (File, error) {
	f.Sites = slices.Clone(f.Sites)
	for i, s := range f.Sites {
		is := Joining
		if old, known := before.sites[s.ID]; known {
			is = old.Membership
		} else if len(before.sites) == 0 && s.Membership.Known() {
			is = s.Membership
		}
		if s.Membership != "" && s.Membership != is {
			return File{}, hie.Invalid(fmt.Sprintf("sites[%d].membership", i), "is "+string(is)+" and not a file's to change: leave it out; going live is signed off (concord site onboard)")
		}
		f.Sites[i].Membership = is
	}
	return f, nil
}

// A Move is a step in a site's membership.
type Move string

// The moves there are.
const (
	// MoveProposed says that the site is ready: somebody answers for what the checks showed then.
	MoveProposed Move = "proposed"
	// MoveApproved signs the go-live off, by another person.
	MoveApproved Move = "approved"
	// MoveDeclined ends a proposal without going live.
	MoveDeclined Move = "declined"
	// MoveSuspended takes the site out at once.
	MoveSuspended Move = "suspended"
)

// A Step is a move that was made.
type Step struct {
	Site hie.SiteID
	// Number counts the steps of a site from 1.
	Number int64
	Move   Move
	At     time.Time
	// Organization and User are who took it.
	Organization hie.OrgID
	User         string
	// Note is why, in their words.
	Note string
	// Checks are how the checks stood then, in their order; only of a proposal and an approval.
	Checks []Check
}

// MaxNote bounds a step's note, in bytes.
const MaxNote = 2000

// Follow checks that s may follow on steps, which are those of a site in order, while it is of membership m, and returns it
// with its number, and the membership it leaves. Errors: *hie.InvalidError with the member at fault; hie.ErrForbidden for one
// who approves what they proposed, or who is nobody.
func Follow(m Participation, steps []Step, s Step) (Step, Participation, error) {
	refuse := func(path, rule string) (Step, Participation, error) {
		return Step{}, "", &hie.InvalidError{Path: path, Rule: rule, Code: "business-rule"}
	}
	s.Number, s.Note = 1, strings.TrimSpace(s.Note)
	var last Step
	if n := len(steps); n > 0 {
		last = steps[n-1]
		s.Number = last.Number + 1
	}
	switch {
	case strings.TrimSpace(s.User) == "":
		return Step{}, "", hie.ErrForbidden // a system cannot answer for it
	case len(s.Note) > MaxNote:
		return refuse("note", "must not be longer than 2000 bytes")
	}
	open := last.Move == MoveProposed
	switch s.Move {
	case MoveProposed:
		switch {
		case m == Live:
			return refuse("site", "is live already")
		case open:
			return refuse("site", "is proposed already: a second person approves or declines it")
		}
		if missing := Missing(s.Checks); len(missing) > 0 {
			return refuse("checks", "must all pass first; "+missing[0]+" does not")
		}
		return s, m, nil
	case MoveApproved:
		switch {
		case !open:
			return refuse("site", "must be proposed first")
		case SamePerson(last.User, s.User):
			return Step{}, "", hie.ErrForbidden
		}
		if missing := Missing(s.Checks); len(missing) > 0 {
			return refuse("checks", "must all still pass; "+missing[0]+" does not")
		}
		return s, Live, nil
	case MoveDeclined:
		if !open {
			return refuse("site", "has no open proposal")
		}
		return s, m, nil
	case MoveSuspended:
		switch {
		case m == Suspended:
			return refuse("site", "is suspended already")
		case s.Note == "":
			return Step{}, "", hie.Required("note")
		}
		return s, Suspended, nil
	}
	return refuse("move", "is not a step of a membership")
}

// SamePerson reports whether a and b name one person, as people write names. One person may have an account here and there: it is the name that counts,
// whichever organisation vouches for it.
func SamePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}
