package directory

import (
	"errors"
	"slices"
	"testing"

	"github.com/concord-hie/concord/hie"
)

// membershipNetwork is a hospital with a unit, a practice, and a payer without sites; edit says how far its sites take part.
func membershipNetwork(t *testing.T, edit func(map[hie.SiteID]*Site)) *Network {
	t.Helper()
	sites := []Site{
		{ID: "main", Org: "mercy", Authorities: []string{"urn:1"}},
		{ID: "heart", Org: "mercy-heart", Authorities: []string{"urn:2"}},
		{ID: "oak", Org: "oak", Authorities: []string{"urn:3"}},
	}
	by := map[hie.SiteID]*Site{}
	for i := range sites {
		s := &sites[i]
		s.Name, s.Zone, s.Active, s.Membership = string(s.ID), "UTC", true, Live
		by[s.ID] = s
	}
	edit(by)
	n, err := NewNetwork(1, []Organization{{ID: "mercy", Name: "M", Identifier: "urn:m", Active: true}, {ID: "mercy-heart", Name: "H", Identifier: "urn:h", Parent: "mercy", Active: true},
		{ID: "mercy-lab", Name: "L", Identifier: "urn:l", Parent: "mercy", Active: true}, {ID: "oak", Name: "O", Identifier: "urn:o", Active: true},
		{ID: "payer", Name: "P", Identifier: "urn:p", Active: true}}, sites, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhoIsAdmitted(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(map[hie.SiteID]*Site)
		want []hie.OrgID // of mercy, mercy-heart, mercy-lab, oak, payer
	}{
		{"all are where all are live", func(map[hie.SiteID]*Site) {}, []hie.OrgID{"mercy", "mercy-heart", "mercy-lab", "oak", "payer"}},
		{"a practice whose site is joining is not", func(s map[hie.SiteID]*Site) { s["oak"].Membership = Joining }, []hie.OrgID{"mercy", "mercy-heart", "mercy-lab", "payer"}},
		{"a suspended one is not, and no more once it is taken out of the file", func(s map[hie.SiteID]*Site) { s["oak"].Membership, s["oak"].Active = Suspended, false },
			[]hie.OrgID{"mercy", "mercy-heart", "mercy-lab", "payer"}},
		{"a unit that is joining is not, and its hospital is", func(s map[hie.SiteID]*Site) { s["heart"].Membership = Joining }, []hie.OrgID{"mercy", "mercy-lab", "oak", "payer"}},
		{"a hospital goes by its live unit, a unit without sites by the hospital", func(s map[hie.SiteID]*Site) { s["main"].Membership = Joining },
			[]hie.OrgID{"mercy", "mercy-heart", "mercy-lab", "oak", "payer"}},
		{"nobody of a hospital is that has no live site", func(s map[hie.SiteID]*Site) { s["main"].Membership, s["heart"].Membership = Joining, Suspended }, []hie.OrgID{"oak", "payer"}},
		{"a site that was live and is retired says nothing", func(s map[hie.SiteID]*Site) { s["oak"].Active = false }, []hie.OrgID{"mercy", "mercy-heart", "mercy-lab", "oak", "payer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := membershipNetwork(t, tt.edit)
			for _, o := range n.Organizations() {
				if got, want := n.Admitted(o.ID), slices.Contains(tt.want, o.ID); got != want {
					t.Errorf("%s is admitted: %t, want %t", o.ID, got, want)
				}
			}
			if n.Admitted("nobody") || n.Live("nowhere") {
				t.Error("what is not known is admitted")
			}
		})
	}
}

func TestAFileDoesNotDecideWhoIsLive(t *testing.T) {
	none, err := NewNetwork(0, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	known := membershipNetwork(t, func(s map[hie.SiteID]*Site) { s["oak"].Membership = Suspended })
	for _, tt := range []struct {
		name   string
		before *Network
		id     hie.SiteID
		says   Participation
		want   Participation // "" is refused
	}{
		{"a new site is joining", known, "elm", "", Joining},
		{"it may say so", known, "elm", Joining, Joining},
		{"it may not say that it is live", known, "elm", Live, ""},
		{"a live site stays live", known, "main", "", Live},
		{"a live site may say so", known, "main", Live, Live},
		{"a suspended site stays suspended", known, "oak", "", Suspended},
		{"a suspended site may not say that it is live", known, "oak", Live, ""},
		{"a live site is not suspended by a file", known, "main", Suspended, ""},
		{"the first sites of a directory may be live", none, "elm", Live, Live},
		{"the first sites are joining when their file does not say", none, "elm", "", Joining},
		{"what is no membership is none", none, "elm", "soon", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := File{Sites: []Site{{ID: tt.id, Membership: tt.says}}}.Enter(tt.before)
			if inv, refused := errors.AsType[*hie.InvalidError](err); refused != (tt.want == "") || refused && inv.Path != "sites[0].membership" {
				t.Fatalf("err = %v", err)
			}
			if err == nil && f.Sites[0].Membership != tt.want {
				t.Errorf("it is %s, want %s", f.Sites[0].Membership, tt.want)
			}
		})
	}
}

func TestAGoLiveTakesTwoPeopleAndEveryCheck(t *testing.T) {
	checks := func(but ...CheckID) []Check {
		var out []Check
		for _, id := range CheckIDs() {
			c := Check{ID: id, Result: Pass}
			if slices.Contains(but, id) {
				c.Result = Pending
			}
			out = append(out, c)
		}
		return out
	}
	proposed := Step{Number: 1, Move: MoveProposed, User: "anna"}
	for _, tt := range []struct {
		name  string
		is    Participation
		steps []Step
		take  Step
		want  Participation // "" is refused
		path  string        // at which; "" is forbidden
	}{
		{"one proposes when every check passes", Joining, nil, Step{Move: MoveProposed, User: "anna", Checks: checks()}, Joining, ""},
		{"nobody proposes while one does not", Joining, nil, Step{Move: MoveProposed, User: "anna", Checks: checks(CheckAlert)}, "", "checks"},
		{"nobody proposes without checks", Joining, nil, Step{Move: MoveProposed, User: "anna"}, "", "checks"},
		{"a system proposes nothing", Joining, nil, Step{Move: MoveProposed, User: " ", Checks: checks()}, "", ""},
		{"another signs off", Joining, []Step{proposed}, Step{Move: MoveApproved, User: "ben", Checks: checks()}, Live, ""},
		{"the same person does not", Joining, []Step{proposed}, Step{Move: MoveApproved, User: "anna", Checks: checks()}, "", ""},
		{"nor does she under another spelling, or from another organisation", Joining, []Step{proposed}, Step{Move: MoveApproved, Organization: "other", User: " Anna", Checks: checks()}, "", ""},
		{"nobody signs off what fails by then", Joining, []Step{proposed}, Step{Move: MoveApproved, User: "ben", Checks: checks(CheckKeys)}, "", "checks"},
		{"nobody signs off what was not proposed", Joining, nil, Step{Move: MoveApproved, User: "ben", Checks: checks()}, "", "site"},
		{"nobody signs off what was declined", Joining, []Step{proposed, {Number: 2, Move: MoveDeclined, User: "ben"}}, Step{Move: MoveApproved, User: "ben", Checks: checks()}, "", "site"},
		{"a proposal may be declined", Joining, []Step{proposed}, Step{Move: MoveDeclined, User: "anna"}, Joining, ""},
		{"a live site is suspended by one", Live, []Step{proposed, {Number: 2, Move: MoveApproved, User: "ben"}}, Step{Move: MoveSuspended, User: "anna", Note: "an incident"}, Suspended, ""},
		{"a suspension says why", Live, nil, Step{Move: MoveSuspended, User: "anna", Note: " "}, "", "note"},
		{"a suspension ends what was proposed", Suspended, []Step{proposed, {Number: 2, Move: MoveSuspended, User: "anna"}}, Step{Move: MoveApproved, User: "ben", Checks: checks()}, "", "site"},
		{"a suspended site is proposed anew", Suspended, []Step{proposed, {Number: 2, Move: MoveSuspended, User: "anna"}}, Step{Move: MoveProposed, User: "ben", Checks: checks()}, Suspended, ""},
		{"a live site is not proposed", Live, nil, Step{Move: MoveProposed, User: "anna", Checks: checks()}, "", "site"},
		{"what is no move is none", Live, nil, Step{Move: "waved through", User: "anna"}, "", "move"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, is, err := Follow(tt.is, tt.steps, tt.take)
			inv, invalid := errors.AsType[*hie.InvalidError](err)
			switch {
			case tt.want != "":
				if err != nil || is != tt.want || s.Number != int64(len(tt.steps))+1 {
					t.Errorf("%s, step %d, %v; want %s", is, s.Number, err, tt.want)
				}
			case tt.path == "":
				if !errors.Is(err, hie.ErrForbidden) {
					t.Errorf("err = %v, want forbidden", err)
				}
			case !invalid || inv.Path != tt.path:
				t.Errorf("err = %v, want one at %s", err, tt.path)
			}
		})
	}
}
