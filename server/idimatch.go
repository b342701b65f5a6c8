package server

import (
	"cmp"
	"slices"

	"github.com/concord-hie/concord/directory/directoryfhir"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi/mpifhir"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// matchIdentity answers POST /fhir/Patient/$idi-match: what $match finds, as identities. Registrations of one
// identity stand together, identities best first, registrations by their own score; each says which others are the
// same person's and whether a steward has decided about it. The organisation that answers comes first. count bounds
// the identities. The index keeps no golden record beside the registrations, so none is returned.
//
// What may be shown is as with $match, and nobody to show is one answer whatever the reason.
//
// Source: HL7 identity matching IG STU 2, IDI Match Operation, IDI Match Bundle, "Golden Records".
func (s *Server) matchIdentity(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	body, err := s.body(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	q, err := mpifhir.ReadIDIMatch(body)
	if q.Count <= 0 || q.Count > maxMatches {
		q.Count = maxMatches
	}
	_, found, err := s.find(ctx, actor, q, isStrict(c), err, func(all []matched) []matched {
		groups := byIdentity(all)
		return slices.Concat(groups[:min(len(groups), q.Count)]...)
	})
	if err != nil {
		s.fail(c, err)
		return
	}
	groups := byIdentity(found)
	organization := s.responder()
	entries := []fhir.BundleEntry{organization}
	for _, group := range groups {
		entries = append(entries, s.identityEntries(c, group)...)
	}
	issues := unknownIssues(q.Unknown)
	if len(groups) == 0 {
		issues = append(issues, fhir.Issue{Severity: "information", Code: "not-found", Diagnostics: "No Match Found"})
	}
	if len(issues) > 0 {
		said := fhir.Encode(outcome("warning", issues...))
		entries = append(entries, fhir.BundleEntry{FullURL: contentURN(said), Resource: said, Search: &fhir.BundleSearch{Mode: "outcome"}})
	}
	s.send(c, 200, mpifhir.IDIMatchOutput(fhir.Bundle{ResourceType: "Bundle", Type: "searchset",
		Identifier: &fhir.Identifier{System: "urn:ietf:rfc:3986", Value: contentURN(fhir.Encode(entries)), Assigner: &fhir.Reference{Reference: organization.FullURL}},
		Link:       []fhir.BundleLink{{Relation: "self", URL: s.cfg.FHIRBase() + "/Patient/$idi-match"}}, Entry: entries}))
}

// contentURN names content: the same bytes have the same name, so that nothing in an answer tells two alike apart.
func contentURN(content []byte) string {
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, content).String()
}

// byIdentity groups found, whose identities lie together, best registration first in each.
func byIdentity(found []matched) [][]matched {
	var out [][]matched
	for i, f := range found {
		if i == 0 || f.identity != found[i-1].identity {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], f)
	}
	for _, group := range out {
		slices.SortStableFunc(group, func(a, b matched) int { return cmp.Compare(b.bits, a.bits) })
	}
	return out
}

// identityEntries returns the entries of one identity's registrations.
func (s *Server) identityEntries(c *gin.Context, group []matched) []fhir.BundleEntry {
	var out []fhir.BundleEntry
	for i, f := range group {
		var others []string
		for j, o := range group {
			if j != i {
				others = append(others, s.patientID(o.patient.Record))
			}
		}
		fullURL, resource := s.shown(caller(c), f.patient)
		e := searchEntry(fullURL, mpifhir.Linked(resource, others))
		e.Search = mpifhir.MatchSearch(f.identity)
		if f.identity.Proof.Rule != "" { // of one not proven, other organisations' verdicts are not told
			e.Search.Extension = append(e.Search.Extension, fhir.Extension{URL: mpifhir.StewardshipURL, ValueBoolean: &f.identity.Stewarded})
		}
		out = append(out, e)
	}
	return out
}

// responder returns the entry of the organisation that answers: the network.
func (s *Server) responder() fhir.BundleEntry {
	for _, o := range s.deps.Network().Organizations() {
		if o.Kind != networkKind {
			continue
		}
		if r, ok := directoryfhir.FindOrganization(s.deps.Network(), string(o.ID)); ok {
			return searchEntry(s.cfg.FHIRBase()+"/Organization/"+r.ID, fhir.Encode(r))
		}
	}
	return searchEntry(s.cfg.FHIRBase()+"/Organization/network", fhir.Encode(fhir.Organization{ResourceType: "Organization", ID: "network", Active: true, Name: "Concord"}))
}
