package main

import (
	"context"
	"slices"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/portal"
)

// A persona is somebody who can sign in to the demo, with what its identity provider says of them.
type persona struct {
	portal.Persona
	orgURI string
	roles  []string
	// patient is system|value of a patient's registration, "" for staff.
	patient string
}

// personas are who can sign in, in the order of the landing page.
func (m *demo) personas() []persona {
	var out []persona
	patient := func(account, story, card, about string) {
		p := m.region.Story(story)[0]
		out = append(out, persona{Persona: portal.Persona{Account: account, Name: p.Name(), Organization: m.siteOrg("riverside-clinic"),
			Duty: access.DutyPatient, Card: card, About: about}, orgURI: exchangeURI, roles: []string{hie.RolePatient}, patient: m.at(p, "riverside-clinic")})
	}
	staff := func(account, name string, duty access.Duty, role, site, card, about string) {
		org, uri := "Bay Health Exchange", exchangeURI
		if s, ok := m.region.Site(site); ok {
			org, uri = s.OrgName, s.OrgURI
		}
		out = append(out, persona{Persona: portal.Persona{Account: account, Name: name, Organization: org, Duty: duty, Card: card, About: about},
			orgURI: uri, roles: []string{role}})
	}
	patient("maria", sim.Ordinary, "patient", "about.ordinary")
	staff("dr-bloom", "Dr. Avery Bloom", access.DutyClinician, "physician", "riverside-clinic", "practice", "")
	staff("t.amari", "Tess Amari", access.DutyDesk, "front-desk", "riverside-clinic", "practice", "about.frontdesk")
	staff("n.hadley", "Dr. Noor Hadley", access.DutyClinician, "ed", "harbor-main", "hospital", "")
	staff("p.stone", "Priya Stone", access.DutyPrivacy, hie.RolePrivacyOfficer, "", "privacy", "")
	staff("m.reyes", "Marta Reyes", access.DutySteward, hie.RoleSteward, "", "steward", "")
	staff("o.quist", "Omar Quist", access.DutyOperator, hie.RoleOperator, "", "operator", "")
	patient("linda", sim.EmergencyOnly, "", "about.emergency")
	patient("thomas", sim.OptedOut, "", "about.optedout")
	patient("gloria", sim.Heavy, "", "about.heavy")
	patient("sofia", sim.Teen, "", "about.teen")
	staff(motherAccount, motherName, access.DutyHelper, hie.RoleHelper, "", "", "about.parent")
	staff("a.marsh", "Ana Marsh", access.DutyHelper, hie.RoleHelper, "", "", "about.helper")
	staff("l.ortega", "Luis Ortega", access.DutyPrivacy, hie.RolePrivacyOfficer, "", "", "about.second")
	staff("d.novak", "Dana Novak", access.DutySteward, hie.RoleSteward, "", "", "about.second")
	staff("n.abara", "Nkem Abara", access.DutyOperator, hie.RoleOperator, "", "", "about.second")
	staff("i.lowe", "Imani Lowe", access.DutyAuditor, hie.RoleAuditor, "", "", "")
	staff("i.park", "Ines Park", access.DutyIntegrator, "integrator", "", "", "")
	return out
}

func (m *demo) siteOrg(site string) string {
	s, _ := m.region.Site(site)
	return s.OrgName
}

// storyTicks tells which steps of the guided story have happened since the demo started, from the audit trail.
func (m *demo) storyTicks(since time.Time) func(context.Context) ([]bool, error) {
	return func(ctx context.Context) ([]bool, error) {
		n := m.node
		if n == nil {
			return nil, nil // starting
		}
		events, _, err := n.trail.Search(ctx, audit.Query{From: since, Limit: 1000,
			Kinds: []audit.Kind{audit.DocumentsQueried, audit.ConsentChanged, audit.EmergencyClaimed, audit.AuditRead, audit.Administered, audit.LinkChanged}})
		if err != nil {
			return nil, err
		}
		done := make([]bool, 8)
		merged := false
		for _, e := range slices.Backward(events) { // oldest first
			if e.Actor.Client != access.PortalClient || e.Outcome != audit.Success {
				continue
			}
			clinician := slices.Contains(e.Actor.Roles, "physician")
			switch {
			case e.Kind == audit.DocumentsQueried && clinician && e.Released > 0 && !e.Emergency:
				done[0] = true
			case e.Kind == audit.ConsentChanged && slices.Contains(e.Actor.Roles, hie.RolePatient):
				done[1] = true
			case e.Kind == audit.DocumentsQueried && clinician && e.Released == 0 && done[1]:
				done[2] = true
			case e.Kind == audit.EmergencyClaimed:
				done[3] = true
			case e.Kind == audit.AuditRead && slices.Contains(e.Actor.Roles, hie.RolePatient) && done[3]:
				done[4] = true
			case e.Kind == audit.Administered && e.Detail["interaction"] == "emergency review":
				done[5] = true
			case e.Kind == audit.LinkChanged && slices.Contains(e.Actor.Roles, hie.RoleSteward):
				done[6] = merged
				merged = true
			case e.Kind == audit.AuditRead && slices.Contains(e.Actor.Roles, hie.RoleOperator) && e.Detail["interaction"] == "trace":
				done[7] = true
			}
		}
		return done, nil
	}
}
