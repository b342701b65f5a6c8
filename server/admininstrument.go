package server

import (
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

func (s *Server) instruments() recorded[consent.Instrument] {
	return recorded[consent.Instrument]{name: "instrument", list: "instruments", of: Forms.Instruments, keep: Forms.RecordInstrument,
		id: func(i consent.Instrument) int64 { return i.ID }, show: func(i consent.Instrument, _ mpi.SourcePatient) any { return s.instrumentJSON(i) }}
}

// listInstruments answers GET /admin/v1/consent/instruments?patient=.
func (s *Server) listInstruments() gin.HandlerFunc { return listRecorded(s, s.instruments()) }

// newInstrument is a legal basis as an officer puts it down.
type newInstrument struct {
	Patient      string        `json:"patient"`
	Kind         string        `json:"kind"`
	Organization string        `json:"organization"`
	Purposes     []hie.Purpose `json:"purposes"`
	From         time.Time     `json:"from"`
	Until        time.Time     `json:"until"`
	Ground       string        `json:"ground"`
	Evidence     string        `json:"evidence"`
}

// addInstrument answers POST /admin/v1/consent/instruments: an officer of the record's own organisation, or of the
// network, has seen the paper.
//
// Source: spec consent 2.1 (legal basis: kind, evidence, verifiedBy).
func (s *Server) addInstrument() gin.HandlerFunc {
	return addRecorded(s, s.instruments(), func(in newInstrument) string { return in.Patient },
		func(in newInstrument, sp mpi.SourcePatient, actor hie.Actor) (consent.Instrument, error) {
			i := consent.Instrument{Record: sp.Record, Kind: in.Kind, Organization: hie.OrgID(in.Organization), Purposes: in.Purposes, From: in.From.UTC(),
				Until: in.Until.UTC(), Ground: in.Ground, Evidence: in.Evidence, VerifiedBy: actor.User, By: actor.Organization}
			return i, i.CheckIn(s.deps.ConsentEnv())
		})
}

// endInstrument answers POST /admin/v1/consent/instruments/{id}/end {"version"}: from now on it is no basis for anything.
func (s *Server) endInstrument() gin.HandlerFunc {
	type body struct {
		Version int64 `json:"version"`
	}
	return endRecorded(s, s.instruments(), func(i consent.Instrument, in body, actor hie.Actor) (consent.Instrument, int64, error) {
		i = i.EndedAt(s.deps.Now())
		i.VerifiedBy, i.By = actor.User, actor.Organization
		return i, in.Version, nil
	})
}
