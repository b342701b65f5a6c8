package server

import (
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
	Basis   consent.Basis
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
	subject := federation.SubjectOf(p.Person, p.OnFile)
	t := consent.Compile(p.Env, subject, p.OnFile.Directives).Explain(req, doc, p.Basis.At)
	basis := p.Basis
	basis.Records = subject.Records
	t.Basis = &basis
	return t
}

// basisJSON is what a decision rests on, as it stood then.
type basisJSON struct {
	At        string            `json:"at"`
	Directory int64             `json:"directory"`
	Kept      bool              `json:"directory_kept"`
	Policies  []basisPolicyJSON `json:"policies"`
	Records   []basisRecordJSON `json:"records"`
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

func (s *Server) basisJSON(p Past) basisJSON {
	b := p.Basis
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
	return out
}
