package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/server"
)

// follow plays the operator's step: the request in which the document was opened is followed by its id, to the site that
// was asked, and says nothing of whose document it was. Requests are written down a moment after their answer.
func (t *teller) follow(ctx context.Context, maria sim.Person) error {
	t.tell("An operator of the exchange follows the request in which the document was opened, by its number, as by `concord trace`.")
	var r reply
	var err error
	for range 40 {
		r, err = t.clients["operator-desk"].api.call(ctx, operating, http.MethodGet, "/admin/v1/trace/"+t.opened, nil)
		if err != nil || r.status != http.StatusNotFound {
			break
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("trace: %s", r.problem())
	}
	var in struct {
		Requests []server.TraceRow `json:"requests"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil || len(in.Requests) != 1 {
		return fmt.Errorf("trace: %d requests, %w", len(in.Requests), err)
	}
	var steps []string
	for _, s := range in.Requests[0].Spans {
		step := s.Name
		if s.Site != "" {
			step += fmt.Sprintf(" %s %s", s.Site, s.Outcome)
		}
		steps = append(steps, step)
	}
	t.see("steps", "api, identity, consent, locate, site harbor-main answered, audit, audit", strings.Join(steps, ", "))
	who := in.Requests[0]
	t.see("who asked", "riverside riverside-clinic-emr, physician, TREAT, answered 200", fmt.Sprintf("%s %s, %s, %s, answered %d", who.Organization, who.Client, strings.Join(who.Roles, " "), strings.Join(who.Purposes, " "), who.Status))
	named := "nobody"
	for _, name := range append(strings.Fields(maria.Name()), "RF-1001", treating.user) {
		if strings.Contains(strings.ToLower(string(r.body)), strings.ToLower(name)) {
			named = name
		}
	}
	t.see("person named in it", "nobody", named)
	return nil
}
