package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// representativeJSON is somebody who may act for a patient.
type representativeJSON struct {
	ID        string `json:"id"`
	Version   int64  `json:"version"`
	Patient   string `json:"patient"`
	Ref       string `json:"ref"`
	Name      string `json:"name,omitzero"`
	Capacity  string `json:"capacity"`
	Rights    string `json:"rights"`
	Start     string `json:"start,omitzero"`
	End       string `json:"end,omitzero"`
	Lapses    string `json:"lapses,omitzero"`
	Evidence  string `json:"evidence,omitzero"`
	Withdrawn bool   `json:"withdrawn"`
	Recorded  string `json:"recorded"`
	// Acts is whether they may act now, as far as their rights go.
	Acts bool `json:"acts"`
}

func (s *Server) representativeJSON(r consent.Representative, zone *time.Location) representativeJSON {
	j := representativeJSON{ID: s.deps.Sealer.ID("representative", int64(r.Record), r.ID), Version: r.Number, Patient: s.patientID(r.Record), Ref: r.Ref, Name: r.Name,
		Capacity: string(r.Capacity), Rights: string(r.Rights), Start: r.Start, End: r.End, Evidence: r.Evidence, Withdrawn: r.Withdrawn,
		Recorded: fhir.Instant(r.Recorded), Acts: r.MayAct(consent.RightsView, s.deps.Now(), zone)}
	if !r.Lapses.IsZero() {
		j.Lapses = fhir.Instant(r.Lapses)
	}
	return j
}

// representedRecord returns the registration an officer names, of their organisation's sites, or any to the network's.
func (s *Server) representedRecord(ctx context.Context, actor hie.Actor, patient string) (mpi.SourcePatient, error) {
	record, err := s.reportedPatient(ctx, actor, listParams{values: map[string]string{"patient": patient}})
	if err != nil {
		return mpi.SourcePatient{}, err
	}
	return s.deps.Patients.Record(ctx, record)
}

// listRepresentatives answers GET /admin/v1/consent/representatives?patient=.
func (s *Server) listRepresentatives(c *gin.Context) {
	ctx := c.Request.Context()
	p, err := readListParams(c, "patient")
	var sp mpi.SourcePatient
	if err == nil {
		sp, err = s.representedRecord(ctx, caller(c), p.values["patient"])
	}
	var all []consent.Representative
	if err == nil {
		all, err = s.deps.Forms.Representatives(ctx, []hie.SourcePatientID{sp.Record})
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, "representatives").About(sp.Record))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Representatives []representativeJSON `json:"representatives"`
	}{[]representativeJSON{}}
	zone := s.zoneOf(sp.Site)
	for _, r := range all {
		out.Representatives = append(out.Representatives, s.representativeJSON(r, zone))
	}
	s.sendJSON(c, http.StatusOK, out)
}

// addRepresentative answers POST /admin/v1/consent/representatives. A parent's power ends with the child's majority
// where the site is; a minor without a full date of birth has no parent on record.
//
// Source: 45 CFR 164.502(g)(3); spec consent 2.20.
func (s *Server) addRepresentative(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Patient  string `json:"patient"`
		Ref      string `json:"ref"`
		Name     string `json:"name"`
		Capacity string `json:"capacity"`
		Rights   string `json:"rights"`
		Start    string `json:"start"`
		End      string `json:"end"`
		Evidence string `json:"evidence"`
	}
	err := s.readJSON(c, &in)
	var sp mpi.SourcePatient
	if err == nil {
		sp, err = s.representedRecord(ctx, actor, in.Patient)
	}
	r := consent.Representative{Record: sp.Record, Ref: in.Ref, Name: in.Name, Capacity: consent.Capacity(in.Capacity), Rights: consent.Rights(in.Rights),
		Start: in.Start, End: in.End, Evidence: in.Evidence, By: actor.Organization}
	if err == nil {
		err = r.Check()
	}
	if err == nil && actor.User == "" {
		err = hie.ErrForbidden
	}
	if err == nil && r.Capacity == consent.CapacityParent {
		b := sp.Demographics.Birth
		var known bool
		if r.Lapses, known = consent.Majority(b.Year, b.Month, b.Day, s.deps.Network().Jurisdiction(sp.Site), s.zoneOf(sp.Site)); !known {
			err = hie.Invalid("capacity", "cannot be parent: the registration has no full date of birth, so nobody can tell when it ends")
		} else if !s.deps.Now().Before(r.Lapses) {
			err = hie.Invalid("capacity", "cannot be parent: the patient is of age")
		}
	}
	if err == nil {
		r, err = s.deps.Forms.Represent(ctx, actor, r, 0)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.wishChanged(ctx, r.Record, nil)
	s.sendJSON(c, http.StatusOK, s.representativeJSON(r, s.zoneOf(sp.Site)))
}

// endRepresentative answers POST /admin/v1/consent/representatives/{id}/end {"version", "end", "withdrawn"}: their power
// ends on a day, or never was.
func (s *Server) endRepresentative(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Version   int64  `json:"version"`
		End       string `json:"end"`
		Withdrawn bool   `json:"withdrawn"`
	}
	record, id, err := s.deps.Sealer.OpenID("representative", c.Param("id"))
	var sp mpi.SourcePatient
	if err != nil {
		err = hie.ErrNotFound
	} else {
		sp, err = s.representedRecord(ctx, actor, s.patientID(hie.SourcePatientID(record)))
	}
	var all []consent.Representative
	if err == nil {
		all, err = s.deps.Forms.Representatives(ctx, []hie.SourcePatientID{sp.Record})
	}
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil && actor.User == "" {
		err = hie.ErrForbidden
	}
	var r consent.Representative
	if err == nil {
		err = hie.ErrNotFound
		for _, x := range all {
			if x.ID == id {
				r, err = x, nil
			}
		}
	}
	if err == nil {
		if in.End = strings.TrimSpace(in.End); in.End == "" && !in.Withdrawn {
			err = hie.Required("end")
		}
	}
	if err == nil {
		if r.Withdrawn = in.Withdrawn; in.End != "" {
			r.End = in.End
		}
		if err = r.Check(); err == nil {
			r.By = actor.Organization
			r, err = s.deps.Forms.Represent(ctx, actor, r, in.Version)
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.wishChanged(ctx, r.Record, nil)
	s.sendJSON(c, http.StatusOK, s.representativeJSON(r, s.zoneOf(sp.Site)))
}
