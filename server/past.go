package server

import (
	"slices"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// A Past is everything a decision about one person rested on at one instant.
type Past struct {
	Env     *consent.Env
	Network *directory.Network
	Person  mpi.Person
	OnFile  consent.OnFile
	// Teams are the care teams that the directives name, as they were recorded then.
	Teams map[string]directory.CareTeam
	Basis consent.Basis
}

// Decider decides about the person as it would have been decided then.
func (p Past) Decider() *consent.Decider {
	return consent.Compile(p.Env, federation.SubjectOf(p.Person, p.OnFile), p.OnFile.Directives)
}

// Request is how actor would have asked about the person then, with every obligation honoured.
func (p Past) Request(actor hie.Actor) consent.Request {
	req := federation.RequestOf(actor, p.Network, p.Person)
	req.Abilities = p.Env.Abilities()
	return req
}

// Label puts the labels of a document as served into doc; all says that they are all there are.
func (p Past) Label(doc *consent.Document, codes []string, all bool) {
	doc.Sensitivity, doc.Flags = consent.ReadLabels(codes)
	switch {
	case all:
		doc.LabelState = consent.Labelled
	case len(doc.Flags) == 0:
		doc.Flags = nil
	}
}

// Explain is the decision on req and doc as it would have been made then, with everything that spoke and what it rests on.
func (p Past) Explain(req consent.Request, doc consent.Document) consent.Trace {
	d := p.Decider()
	req = federation.WithCareTeams(req, d.CareTeams(), p.Teams, p.Network, p.Basis.At)
	t := d.Explain(req, doc, p.Basis.At)
	if note := p.unfit(req, doc); note != "" {
		t.Decision = consent.Decision{Atoms: t.Decision.Atoms, Reason: consent.ReasonNetworkForbid, Layer: consent.LayerNetwork}
		for i := range t.Steps {
			t.Steps[i].Decides = false
		}
		for i := range t.Answers {
			t.Answers[i].Reason = consent.ReasonNetworkForbid
		}
		t.Steps = append([]consent.Step{{Layer: consent.LayerNetwork, Rule: "membership", Effect: "FORBID", Decides: true, Note: note, Source: "directory"}}, t.Steps...)
	}
	basis := p.Basis
	basis.Records = federation.SubjectOf(p.Person, p.OnFile).Records
	for _, id := range d.CareTeams() {
		basis.Teams = append(basis.Teams, consent.TeamVersion{Team: id, Version: p.Teams[id].Version, Member: slices.Contains(req.CareTeams, id),
			Doubtful: slices.Contains(req.DoubtfulTeams, id)})
	}
	t.Basis = &basis
	return t
}

// unfit says why the directory let nothing pass then, whatever consent said, or "".
func (p Past) unfit(req consent.Request, doc consent.Document) string {
	switch {
	case !p.Network.Live(doc.Site):
		return "the site's go-live was not signed off, or it was suspended: nothing of it is disclosed"
	case !req.OwnRecord && !p.Network.Admitted(req.Organization):
		return "the organisation has no site that is live: nothing is disclosed to it"
	}
	return ""
}

// basisJSON is what a decision rests on, as it stood then.
type basisJSON struct {
	At        string            `json:"at"`
	Directory int64             `json:"directory"`
	Kept      bool              `json:"directory_kept"`
	Policies  []basisPolicyJSON `json:"policies"`
	Records   []basisRecordJSON `json:"records"`
	CareTeams []basisTeamJSON   `json:"care_teams,omitempty"`
}

// basisTeamJSON is a care team the directives name; Version is 0 where there was no such team, Member missing where it was not
// known whether the requester belonged to it.
type basisTeamJSON struct {
	Team    string `json:"team"`
	Version int64  `json:"version"`
	Member  *bool  `json:"member,omitzero"`
}

type basisPolicyJSON struct {
	Policy  string `json:"policy"`
	Version int64  `json:"version"`
	Edition string `json:"edition,omitzero"`
}

type basisRecordJSON struct {
	Record string `json:"record"`
	Site   string `json:"site"`
	Link   string `json:"link"`
	// Epoch is missing for an instant from before epochs were kept.
	Epoch *int64 `json:"epoch,omitzero"`
}

func (s *Server) basisJSON(p Past, b *consent.Basis) basisJSON {
	out := basisJSON{At: fhir.Instant(b.At), Directory: b.Directory, Kept: b.Kept, Policies: []basisPolicyJSON{}, Records: []basisRecordJSON{}}
	for _, v := range b.Policies {
		out.Policies = append(out.Policies, basisPolicyJSON{v.Pack.ID, v.Version, v.Pack.Edition})
	}
	for _, m := range p.Person.Members {
		r := basisRecordJSON{Record: s.patientID(m.Record), Site: string(m.Site), Link: m.Link.String()}
		if n, known := b.Epochs[m.Record.String()]; known {
			r.Epoch = &n
		}
		out.Records = append(out.Records, r)
	}
	for _, t := range b.Teams {
		team := basisTeamJSON{Team: t.Team, Version: t.Version}
		if !t.Doubtful {
			team.Member = &t.Member
		}
		out.CareTeams = append(out.CareTeams, team)
	}
	return out
}
