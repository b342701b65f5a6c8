package server

import (
	"context"
	"fmt"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Still reports whether the rules and links that an answer rests on are as they were when it was made.
type Still = func(context.Context) (bool, error)

// nameable returns which records of p the caller may learn of: its own organisation's, and those consent lets
// it know of whose site takes part; and whether that still holds, nil when it rests on no consent.
func (s *Server) nameable(ctx context.Context, actor hie.Actor, p mpi.Person) (map[hie.SourcePatientID]bool, Still, error) {
	out := map[hie.SourcePatientID]bool{}
	var still Still
	if s.deps.Nameable != nil && actor.Patient == 0 {
		var named map[hie.SourcePatientID]bool
		var err error
		if named, still, err = s.deps.Nameable(ctx, actor, p); err != nil {
			return nil, nil, err
		}
		for _, m := range p.Members {
			site, known := s.deps.Network().Site(m.Site)
			out[m.Record] = named[m.Record] && known && site.Active
		}
	}
	for _, m := range p.Members {
		if s.owns(actor, mpi.SourcePatient{Record: m.Record, Site: m.Site}) {
			out[m.Record] = true
		}
	}
	return out, still, nil
}

// tries is how often an answer is made anew because rules or links moved under it.
const tries = 4

// atRest makes an answer, recorded and ready to be sent, and makes it anew while something it rests on has moved meanwhile: a
// revocation that was acknowledged counts for whatever leaves after it. hie.ErrUnavailable means that rules did not come to rest.
//
// Source: DESIGN idea 8; spec consent 2.14.
func atRest(ctx context.Context, answer func() ([]Still, error)) error {
	for range tries {
		rests, err := answer()
		if err != nil {
			return err
		}
		holds := true
		for _, still := range rests {
			if still == nil || !holds {
				continue
			}
			if holds, err = still(ctx); err != nil {
				return err
			}
		}
		if holds {
			return nil
		}
	}
	return fmt.Errorf("server: rules did not come to rest: %w", hie.ErrUnavailable)
}
