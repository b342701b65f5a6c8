package server

import (
	"context"
	"net/http"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// recorded is one sort of thing that officers put down about a registration, version by version: who may act for the patient,
// and on which legal bases others may ask. An officer of an organisation does so for its own registrations, one of the network
// for all.
type recorded[T any] struct {
	// name is the sort in sealed ids, list what an answer and the trail call several.
	name, list string
	// of reads the current versions; id names one within its record.
	of func(f Forms, ctx context.Context, records []hie.SourcePatientID) ([]T, error)
	id func(T) int64
	// show is one as the doors tell of it.
	show func(T, mpi.SourcePatient) any
	// keep adds a version: expected is the current one's number, 0 for none.
	keep func(f Forms, ctx context.Context, actor hie.Actor, v T, expected int64) (T, error)
}

// officersRecord returns the registration an officer names, of their organisation's sites, or any to the network's.
func (s *Server) officersRecord(ctx context.Context, actor hie.Actor, patient string) (mpi.SourcePatient, error) {
	record, err := s.reportedPatient(ctx, actor, listParams{values: map[string]string{"patient": patient}})
	if err != nil {
		return mpi.SourcePatient{}, err
	}
	return s.deps.Patients.Record(ctx, record)
}

// listRecorded answers GET …?patient=.
func listRecorded[T any](s *Server, k recorded[T]) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context()
		p, err := readListParams(c, "patient")
		var sp mpi.SourcePatient
		if err == nil {
			sp, err = s.officersRecord(ctx, caller(c), p.values["patient"])
		}
		var all []T
		if err == nil {
			all, err = k.of(s.deps.Forms, ctx, []hie.SourcePatientID{sp.Record})
		}
		if err == nil {
			err = s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, k.list).About(sp.Record))
		}
		if err != nil {
			s.fail(c, err)
			return
		}
		out := []any{}
		for _, v := range all {
			out = append(out, k.show(v, sp))
		}
		s.sendJSON(c, http.StatusOK, map[string]any{k.list: out})
	}
}

// endRecorded answers POST …/{id}/end: end makes the version that ends it, and says which version it follows.
func endRecorded[T, In any](s *Server, k recorded[T], end func(T, In, hie.Actor) (v T, expected int64, err error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, actor := c.Request.Context(), caller(c)
		record, id, err := s.deps.Sealer.OpenID(k.name, c.Param("id"))
		var sp mpi.SourcePatient
		if err != nil {
			err = hie.ErrNotFound
		} else {
			sp, err = s.officersRecord(ctx, actor, s.patientID(hie.SourcePatientID(record)))
		}
		var all []T
		if err == nil {
			all, err = k.of(s.deps.Forms, ctx, []hie.SourcePatientID{sp.Record})
		}
		var in In
		if err == nil {
			err = s.readJSON(c, &in)
		}
		if err == nil && actor.User == "" {
			err = hie.ErrForbidden
		}
		var v T
		if err == nil {
			err = hie.ErrNotFound
			for _, x := range all {
				if k.id(x) == id {
					v, err = x, nil
				}
			}
		}
		var expected int64
		if err == nil {
			v, expected, err = end(v, in, actor)
		}
		if err == nil {
			v, err = k.keep(s.deps.Forms, ctx, actor, v, expected)
		}
		sendRecorded(s, c, k, sp, v, err)
	}
}

// addRecorded answers POST … with what a body says of a registration: patient names it, make reads the rest.
func addRecorded[T, In any](s *Server, k recorded[T], patient func(In) string, make func(In, mpi.SourcePatient, hie.Actor) (T, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, actor := c.Request.Context(), caller(c)
		var in In
		err := s.readJSON(c, &in)
		var sp mpi.SourcePatient
		if err == nil {
			sp, err = s.officersRecord(ctx, actor, patient(in))
		}
		var v T
		if err == nil {
			v, err = make(in, sp, actor)
		}
		if err == nil && actor.User == "" {
			err = hie.ErrForbidden
		}
		if err == nil {
			v, err = k.keep(s.deps.Forms, ctx, actor, v, 0)
		}
		sendRecorded(s, c, k, sp, v, err)
	}
}

func sendRecorded[T any](s *Server, c *gin.Context, k recorded[T], sp mpi.SourcePatient, v T, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, k.show(v, sp))
}
