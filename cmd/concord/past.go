package main

import (
	"context"
	"time"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/epoch"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpipg"
	"github.com/concord-hie/concord/server"
)

// pastOf is everything a decision about record's person rested on at an instant, zero for now: directives, grants and
// proxies on file, links, the directory and the policies, each as it was then.
func pastOf(ctx context.Context, db *pg.DB, keys []string, record hie.SourcePatientID, at time.Time) (server.Past, error) {
	index := mpi.New(mpipg.New(db, auditpg.Append), hie.NewIDs(nil), auditpg.New(db), mpi.Options{})
	pictures := directorypg.New(db, auditpg.Append, hie.Now)
	var (
		person  mpi.Person
		network *directory.Network
		epochs  map[hie.SourcePatientID]int64
		kept    = true
		err     error
	)
	if at.IsZero() {
		at = hie.Now()
		if person, err = index.PersonOf(ctx, record); err == nil {
			epochs, err = epoch.Read(ctx, db, person.Records())
		}
		if err == nil {
			network, err = pictures.Load(ctx)
		}
	} else {
		at = at.UTC()
		if person, err = index.AsOf(ctx, record, at); err == nil {
			epochs, err = epoch.ReadAt(ctx, db, person.Records(), at)
		}
		if err == nil {
			network, kept, err = pictures.LoadAt(ctx, at)
		}
	}
	if err != nil {
		return server.Past{}, err
	}
	env, packs, err := environmentAt(ctx, db, keys, network, at)
	if err != nil {
		return server.Past{}, err
	}
	onFile, err := consentpg.New(db, hie.NewIDs(nil), auditpg.Append, hie.Now).LoadAt(ctx, person.Records(), at)
	if err != nil {
		return server.Past{}, err
	}
	basis := consent.Basis{At: at, Directory: network.Version(), Kept: kept, Policies: packs, Epochs: map[string]int64{}}
	for r, n := range epochs {
		basis.Epochs[r.String()] = n
	}
	past := server.Past{Env: env, Network: network, Person: person, OnFile: onFile, Basis: basis}
	if past.Teams, err = pictures.CareTeamsAt(ctx, past.Decider().CareTeams(), at); err != nil {
		return server.Past{}, err
	}
	return past, nil
}
