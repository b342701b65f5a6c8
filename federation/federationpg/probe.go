package federationpg

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// Probes implements federation.HealthStore.
func (h *Health) Probes(ctx context.Context) (map[string]federation.Probe, error) {
	rows, err := pg.Collect(ctx, h.db, func(r *pg.Rows) (p federation.Probe, err error) {
		var asked, until sql.NullTime
		var micros int64
		err = r.Scan(&p.Endpoint, &p.Site, &asked, &micros, &p.Fate, &p.Reason, &p.Software, &p.Version, &p.FHIRVersion, &until)
		p.Asked, p.CertificateUntil, p.Took = asked.Time, until.Time, time.Duration(micros)*time.Microsecond
		return p, err
	}, `select endpoint_id, site_id, asked, took_us, fate, reason, software, version, fhir_version, certificate_until from federation.endpoint_probe`)
	if err != nil {
		return nil, fmt.Errorf("federationpg: probes: %w", err)
	}
	out := make(map[string]federation.Probe, len(rows))
	for _, p := range rows {
		out[p.Endpoint] = p
	}
	return out, nil
}

// KeepProbe stores what an endpoint said of itself. What it said before of its software stays when it did not answer.
func (h *Health) KeepProbe(ctx context.Context, p federation.Probe) error {
	until := sql.NullTime{Time: p.CertificateUntil, Valid: !p.CertificateUntil.IsZero()}
	_, err := h.db.Exec(ctx, `
		insert into federation.endpoint_probe as e (endpoint_id, site_id, next, asked, took_us, fate, reason, software, version, fhir_version, certificate_until)
		values ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict (endpoint_id) do update set site_id = excluded.site_id, asked = excluded.asked, took_us = excluded.took_us, fate = excluded.fate, reason = excluded.reason,
			software = case when excluded.fate = 'answered' then excluded.software else e.software end,
			version = case when excluded.fate = 'answered' then excluded.version else e.version end,
			fhir_version = case when excluded.fate = 'answered' then excluded.fhir_version else e.fhir_version end,
			certificate_until = coalesce(excluded.certificate_until, e.certificate_until)`,
		p.Endpoint, string(p.Site), p.Asked, p.Took.Microseconds(), string(p.Fate), p.Reason, p.Software, p.Version, p.FHIRVersion, until)
	if err != nil {
		return fmt.Errorf("federationpg: keep probe: %w", err)
	}
	return nil
}

// claim reports whether this node is the one to ask an endpoint that is due at now, and puts the next time off by every.
func (h *Health) claim(ctx context.Context, e directory.Endpoint, site hie.SiteID, now time.Time, every time.Duration) (bool, error) {
	n, err := h.db.Exec(ctx, `insert into federation.endpoint_probe (endpoint_id, site_id, next) values ($1, $2, $3) on conflict (endpoint_id) do nothing`,
		e.ID, string(site), now.Add(every))
	if err != nil || n == 1 {
		return n == 1, err
	}
	n, err = h.db.Exec(ctx, `update federation.endpoint_probe set next = $2 where endpoint_id = $1 and next <= $3`, e.ID, now.Add(every), now)
	return n == 1, err
}

// Probe has each endpoint of a site that takes part asked by ask every so often until ctx
// ends; each time by one node. What it took is counted and what it said kept.
func (h *Health) Probe(ctx context.Context, every time.Duration, n func() *directory.Network, ask func(context.Context, directory.Site, directory.Endpoint) federation.Probe, log *slog.Logger) {
	tick := time.NewTicker(min(every, flushEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var asking sync.WaitGroup
		places := make(chan struct{}, probesAtOnce)
		for _, s := range n().Sites() {
			if !s.Active {
				continue
			}
			for _, e := range s.Endpoints {
				places <- struct{}{}
				asking.Go(func() {
					defer func() { <-places }()
					mine, err := h.claim(ctx, e, s.ID, hie.Now(), every)
					if err == nil && mine {
						err = h.probe(ctx, s, e, ask)
					}
					if err != nil && ctx.Err() == nil {
						log.WarnContext(ctx, "a site was not probed", "peer", e.ID, "kind", err.Error())
					}
				})
			}
		}
		asking.Wait()
	}
}

// probesAtOnce bounds how many endpoints a node asks at once.
const probesAtOnce = 8

func (h *Health) probe(ctx context.Context, s directory.Site, e directory.Endpoint, ask func(context.Context, directory.Site, directory.Endpoint) federation.Probe) error {
	p := ask(ctx, s, e)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.Observe(federation.Call{Site: s.ID, Operation: federation.OperationProbe, Ended: p.Asked.Add(p.Took), Took: p.Took, Fate: p.Fate, Reason: p.Reason})
	return h.KeepProbe(ctx, p)
}
