package server

import (
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

func (s *Server) representatives() recorded[consent.Representative] {
	return recorded[consent.Representative]{name: "representative", list: "representatives", of: Forms.Representatives, keep: Forms.Represent,
		id: func(r consent.Representative) int64 { return r.ID },
		show: func(r consent.Representative, sp mpi.SourcePatient) any {
			return s.representativeJSON(r, s.zoneOf(sp.Site))
		}}
}

// listRepresentatives answers GET /admin/v1/consent/representatives?patient=.
func (s *Server) listRepresentatives() gin.HandlerFunc { return listRecorded(s, s.representatives()) }

// newRepresentative is somebody as an officer puts them down.
type newRepresentative struct {
	Patient  string `json:"patient"`
	Ref      string `json:"ref"`
	Name     string `json:"name"`
	Capacity string `json:"capacity"`
	Rights   string `json:"rights"`
	Start    string `json:"start"`
	End      string `json:"end"`
	Evidence string `json:"evidence"`
}

// addRepresentative answers POST /admin/v1/consent/representatives.
//
// Source: spec consent 2.20.
func (s *Server) addRepresentative() gin.HandlerFunc {
	return addRecorded(s, s.representatives(), func(in newRepresentative) string { return in.Patient },
		func(in newRepresentative, sp mpi.SourcePatient, actor hie.Actor) (consent.Representative, error) {
			r := consent.Representative{Record: sp.Record, Ref: in.Ref, Name: in.Name, Capacity: consent.Capacity(in.Capacity), Rights: consent.Rights(in.Rights),
				Start: in.Start, End: in.End, Evidence: in.Evidence, By: actor.Organization}
			born := sp.Demographics.Birth
			return r, r.Appoint(born.Year, born.Month, born.Day, s.deps.Network().Jurisdiction(sp.Site), s.zoneOf(sp.Site), s.deps.Now())
		})
}

// endRepresentative answers POST /admin/v1/consent/representatives/{id}/end {"version", "end", "withdrawn"}: their power
// ends on a day, or never was.
func (s *Server) endRepresentative() gin.HandlerFunc {
	type body struct {
		Version   int64  `json:"version"`
		End       string `json:"end"`
		Withdrawn bool   `json:"withdrawn"`
	}
	return endRecorded(s, s.representatives(), func(r consent.Representative, in body, actor hie.Actor) (consent.Representative, int64, error) {
		r, err := r.Ended(in.End, in.Withdrawn)
		r.By = actor.Organization
		return r, in.Version, err
	})
}
