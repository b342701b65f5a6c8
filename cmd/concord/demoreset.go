package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
)

// resetReason is what the trail says of why the sandbox undid something.
const resetReason = "the person was put back to how the demonstration began"

// sandboxReset puts the person whom their first site knows by number back to how the stories begin.
func (m *demo) sandboxReset(ctx context.Context, number string) error {
	for _, p := range m.region.People {
		if p.Story == "" || len(p.Registrations) == 0 || m.region.Registrations[p.Registrations[0]].Local != number {
			continue
		}
		if err := m.putBack(ctx, p); err != nil {
			return errors.Join(hie.ErrUnavailable, err)
		}
		return nil
	}
	return hie.ErrNotFound
}

// putBack ends the emergencies about p, takes back what p and those who act for them chose, withdraws what was reported about
// p's registrations, and states p's wishes of the beginning anew: each through the node's public API, as whoever may. What stops it
// half-way is done when it is called again.
func (m *demo) putBack(ctx context.Context, p sim.Person) error {
	var records, sites []string
	for _, i := range p.Registrations {
		site := m.region.Registrations[i].Site
		id, err := m.patientID(ctx, p, site)
		if err != nil {
			return err
		}
		records, sites = append(records, id), append(sites, site)
	}
	if err := m.endEmergencies(ctx, records); err != nil {
		return err
	}
	for _, site := range sites {
		if err := m.withdraw(ctx, p, site); err != nil {
			return err
		}
	}
	for _, record := range records {
		if err := m.withdrawReports(ctx, record); err != nil {
			return err
		}
	}
	return m.restate(ctx, p)
}

// endEmergencies ends, as the network's privacy officer, what was claimed about any of records and holds.
func (m *demo) endEmergencies(ctx context.Context, records []string) error {
	desk := m.clients["privacy-desk"].api
	for after := ""; ; {
		r, err := desk.call(ctx, officer, http.MethodGet, "/admin/v1/reviews?"+url.Values{"holds": {"true"}, "count": {"200"}, "after": {after}}.Encode(), nil)
		if err != nil {
			return err
		}
		var page struct {
			Reviews []struct {
				ID      string   `json:"id"`
				Records []string `json:"records"`
			} `json:"reviews"`
			Next string `json:"next"`
		}
		if json.Unmarshal(r.body, &page) != nil || r.status != http.StatusOK {
			return fmt.Errorf("demo: emergencies cannot be read: %s", r.problem())
		}
		for _, e := range page.Reviews {
			if !slices.ContainsFunc(e.Records, func(id string) bool { return slices.Contains(records, id) }) {
				continue
			}
			r, err := desk.call(ctx, officer, http.MethodPost, "/admin/v1/reviews/"+e.ID+"/end", map[string]string{"reason": resetReason})
			if err != nil {
				return err
			}
			if r.status != http.StatusOK && r.status != http.StatusConflict { // 409: it has ended by itself
				return fmt.Errorf("demo: an emergency cannot be ended: %s", r.problem())
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// withdrawReports withdraws, as a steward, what was reported about record and is open.
func (m *demo) withdrawReports(ctx context.Context, record string) error {
	desk := m.clients["steward-desk"].api
	r, err := desk.call(ctx, settling, http.MethodGet, "/admin/v1/match/tasks?"+url.Values{"kind": {"patient-reported"}, "record": {record}, "count": {"200"}}.Encode(), nil)
	if err != nil {
		return err
	}
	var page struct {
		Tasks []struct{ ID string } `json:"tasks"`
	}
	if json.Unmarshal(r.body, &page) != nil || r.status != http.StatusOK {
		return fmt.Errorf("demo: reports cannot be read: %s", r.problem())
	}
	for _, t := range page.Tasks {
		r, err := desk.call(ctx, settling, http.MethodPost, "/admin/v1/match/tasks/"+t.ID+"/withdraw", map[string]string{"reason": resetReason})
		if err != nil {
			return err
		}
		if r.status != http.StatusOK {
			return fmt.Errorf("demo: a report cannot be withdrawn: %s", r.problem())
		}
	}
	return nil
}

// restate files what p is known for having chosen, as when the demonstration was filled.
func (m *demo) restate(ctx context.Context, p sim.Person) error {
	switch p.Story {
	case sim.OptedOut, sim.EmergencyOnly:
		return m.stateWish(ctx, p)
	case sim.Teen:
		return m.proxyConsent(ctx, p, "riverside-clinic", time.Now())
	}
	return nil
}
