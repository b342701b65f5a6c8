package main

import (
	"context"
	"time"

	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/server"
)

// monitorOf returns what tells how the sites are, over what store holds.
func monitorOf(store federation.HealthStore, network func() *directory.Network, consents *consentpg.Store) *federation.Monitor {
	return &federation.Monitor{Network: network, Store: store, Claims: func(ctx context.Context, since time.Time) (map[hie.OrgID]federation.Claims, error) {
		counts, err := consents.ClaimCounts(ctx, since)
		out := make(map[hie.OrgID]federation.Claims, len(counts))
		for org, c := range counts {
			out[org] = federation.Claims(c)
		}
		return out, err
	}}
}

// noted are documents whose publishing is told to published, by site.
type noted struct {
	server.Documents
	published func(site hie.SiteID, at time.Time)
}

// Provide implements server.Documents.
func (n noted) Provide(ctx context.Context, actor hie.Actor, p locator.Provision) ([]locator.Published, []locator.List, error) {
	done, lists, err := n.Documents.Provide(ctx, actor, p)
	if err == nil {
		for _, d := range done {
			if !d.Existing {
				n.published(d.Pointer.Site, d.Pointer.Published)
			}
		}
	}
	return done, lists, err
}
