package server

import (
	"context"
	"net/http"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// instrumentJSON is a legal basis on which an organisation may ask about a patient.
type instrumentJSON struct {
	ID           string   `json:"id"`
	Version      int64    `json:"version"`
	Patient      string   `json:"patient"`
	Kind         string   `json:"kind"`
	Organization string   `json:"organization"`
	Purposes     []string `json:"purposes"`
	From         string   `json:"from"`
	Until        string   `json:"until,omitzero"`
	Ground       string   `json:"ground"`
	Evidence     string   `json:"evidence,omitzero"`
	VerifiedBy   string   `json:"verified_by"`
	Recorded     string   `json:"recorded"`
}

func (s *Server) instrumentJSON(i consent.Instrument) instrumentJSON {
	j := instrumentJSON{ID: s.deps.Sealer.ID("instrument", int64(i.Record), i.ID), Version: i.Number, Patient: s.patientID(i.Record), Kind: i.Kind,
		Organization: string(i.Organization), Purposes: []string{}, From: fhir.Instant(i.From), Ground: i.Ground, Evidence: i.Evidence,
		VerifiedBy: i.VerifiedBy, Recorded: fhir.Instant(i.Recorded)}
	for _, p := range i.Purposes {
		j.Purposes = append(j.Purposes, string(p))
	}
	if !i.Until.IsZero() {
		j.Until = fhir.Instant(i.Until)
	}
	return j
}

// listInstruments answers GET /admin/v1/consent/instruments?patient=.
func (s *Server) listInstruments(c *gin.Context) {
	ctx := c.Request.Context()
	p, err := readListParams(c, "patient")
	var sp mpi.SourcePatient
	if err == nil {
		sp, err = s.representedRecord(ctx, caller(c), p.values["patient"])
	}
	var all []consent.Instrument
	if err == nil {
		all, err = s.deps.Forms.Instruments(ctx, []hie.SourcePatientID{sp.Record})
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, "instruments").About(sp.Record))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Instruments []instrumentJSON `json:"instruments"`
	}{[]instrumentJSON{}}
	for _, i := range all {
		out.Instruments = append(out.Instruments, s.instrumentJSON(i))
	}
	s.sendJSON(c, http.StatusOK, out)
}

// addInstrument answers POST /admin/v1/consent/instruments: an officer of the record's own organisation, or of the
// network, has seen the paper.
//
// Source: spec consent 2.1 (legal basis: kind, evidence, verifiedBy).
func (s *Server) addInstrument(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Patient      string        `json:"patient"`
		Kind         string        `json:"kind"`
		Organization string        `json:"organization"`
		Purposes     []hie.Purpose `json:"purposes"`
		From         time.Time     `json:"from"`
		Until        time.Time     `json:"until"`
		Ground       string        `json:"ground"`
		Evidence     string        `json:"evidence"`
	}
	err := s.readJSON(c, &in)
	var sp mpi.SourcePatient
	if err == nil {
		sp, err = s.representedRecord(ctx, actor, in.Patient)
	}
	i := consent.Instrument{Record: sp.Record, Kind: in.Kind, Organization: hie.OrgID(in.Organization), Purposes: in.Purposes, From: in.From.UTC(), Until: in.Until,
		Ground: in.Ground, Evidence: in.Evidence, VerifiedBy: actor.User, By: actor.Organization}
	if !in.Until.IsZero() {
		i.Until = in.Until.UTC()
	}
	if err == nil {
		err = i.Check()
	}
	if _, known := s.deps.Network().Organization(i.Organization); err == nil && !known {
		err = hie.Invalid("organization", "must be an organization of the directory")
	}
	for _, p := range i.Purposes {
		if err == nil && !s.deps.ConsentEnv().KnowsPurpose(p) {
			err = hie.Invalid("purposes", "must be purposes of use the exchange knows")
		}
	}
	if err == nil && actor.User == "" {
		err = hie.ErrForbidden
	}
	if err == nil {
		i, err = s.deps.Forms.RecordInstrument(ctx, actor, i, 0)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.instrumentJSON(i))
}

// endInstrument answers POST /admin/v1/consent/instruments/{id}/end {"version"}: from now on it is no basis for anything.
func (s *Server) endInstrument(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Version int64 `json:"version"`
	}
	record, id, err := s.deps.Sealer.OpenID("instrument", c.Param("id"))
	var sp mpi.SourcePatient
	if err != nil {
		err = hie.ErrNotFound
	} else {
		sp, err = s.representedRecord(ctx, actor, s.patientID(hie.SourcePatientID(record)))
	}
	var all []consent.Instrument
	if err == nil {
		all, err = s.deps.Forms.Instruments(ctx, []hie.SourcePatientID{sp.Record})
	}
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil && actor.User == "" {
		err = hie.ErrForbidden
	}
	var i consent.Instrument
	if err == nil {
		err = hie.ErrNotFound
		for _, x := range all {
			if x.ID == id {
				i, err = x.EndedAt(s.deps.Now()), nil
			}
		}
	}
	if err == nil {
		i.VerifiedBy, i.By = actor.User, actor.Organization
		i, err = s.deps.Forms.RecordInstrument(ctx, actor, i, in.Version)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.instrumentJSON(i))
}
