package server

import (
	"context"
	"errors"
	"slices"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// right is what a caller may do with the consents of a record.
type right uint8

const (
	noRight right = iota
	mayRead
	mayFile // and read
)

// consentRight says what actor may do with the consents given on record, and where the record belongs: the patient's own
// client files on every record that is surely theirs, and so does a representative whose rights go so far; an organisation on its own sites' registrations; a privacy
// officer reads those of their organisation's sites, one of the network itself all. A record that does not exist
// gives no right and no error, as one that is somebody else's.
//
// Source: spec federation 2.7; IHE PCF 3.108 (the consent recorder).
func (s *Server) consentRight(ctx context.Context, actor hie.Actor, record hie.SourcePatientID) (right, mpi.Home, error) {
	home, err := s.deps.Patients.Home(ctx, record)
	if errors.Is(err, hie.ErrNotFound) {
		return noRight, mpi.Home{}, nil
	}
	if err != nil {
		return noRight, mpi.Home{}, err
	}
	if actor.Patient != 0 {
		own, err := s.ownRecords(ctx, actor)
		if err != nil || !slices.Contains(own, record) {
			return noRight, mpi.Home{}, err
		}
		may, err := s.represents(ctx, actor, consent.RightsManage)
		if err != nil {
			return noRight, mpi.Home{}, err
		}
		if !may {
			return mayRead, home, nil // a representative who may only look
		}
		return mayFile, home, nil
	}
	site, known := s.deps.Network().Site(home.Site)
	org, member := s.deps.Network().Organization(actor.Organization)
	switch {
	case !known || !member:
		return noRight, mpi.Home{}, nil
	case actor.HasRole(hie.RolePrivacyOfficer):
		if org.Kind == networkKind || site.Org == org.ID {
			return mayRead, home, nil
		}
	case site.Org == org.ID && site.Active:
		return mayFile, home, nil
	}
	return noRight, mpi.Home{}, nil
}

// ownRecords returns the records that are surely the patient's who acts.
func (s *Server) ownRecords(ctx context.Context, actor hie.Actor) ([]hie.SourcePatientID, error) {
	p, err := s.deps.Patients.PersonOf(ctx, actor.Patient)
	if err != nil {
		return nil, err
	}
	out := []hie.SourcePatientID{actor.Patient}
	for _, m := range p.Members {
		if m.Link == hie.LinkConfirmed && m.Record != actor.Patient {
			out = append(out, m.Record)
		}
	}
	return out, nil
}

// errConsentPatient is the answer for every patient the caller may not file for, known or not.
var errConsentPatient = &hie.InvalidError{Path: "Consent.patient", Rule: "must name a patient whose consent the caller may file", Code: "business-rule"}

// consentPatient returns the record a Consent's patient names, when the caller may file for it.
func (s *Server) consentPatient(ctx context.Context, actor hie.Actor, ref fhir.Reference) (hie.SourcePatientID, error) {
	record, err := s.namedRecord(ctx, ref)
	if err != nil {
		return 0, err
	}
	r, _, err := s.consentRight(ctx, actor, record)
	if err != nil {
		return 0, err
	}
	if r != mayFile {
		return 0, errConsentPatient
	}
	return record, nil
}

// namedRecord returns the record ref names, 0 for none.
func (s *Server) namedRecord(ctx context.Context, ref fhir.Reference) (hie.SourcePatientID, error) {
	id, identifier, ok := consentfhir.PatientOf(ref, s.cfg.FHIRBase())
	if !ok {
		return 0, nil
	}
	if id != "" {
		record, _ := s.patientRecord(id) // 0 when it is no id of ours
		return record, nil
	}
	record, err := s.deps.Patients.RecordOf(ctx, identifier)
	if errors.Is(err, hie.ErrNotFound) {
		return 0, nil
	}
	return record, err
}

// consentNamed opens the Consent id of the URL and checks that the caller has at least this right to it. Every id
// the caller has no right to is hie.ErrNotFound, whether it exists or not; record is set when it does.
func (s *Server) consentNamed(c *gin.Context, need right) (record hie.SourcePatientID, id int64, err error) {
	sp, id, err := s.deps.Sealer.OpenID("consent", c.Param("id"))
	if err != nil {
		return 0, 0, hie.ErrNotFound
	}
	record = hie.SourcePatientID(sp)
	have, _, err := s.consentRight(c.Request.Context(), caller(c), record)
	switch {
	case err != nil:
	case have == noRight:
		err = hie.ErrNotFound
	case have < need:
		err = hie.ErrForbidden // a privacy officer, who may read it
	}
	return record, id, err
}
