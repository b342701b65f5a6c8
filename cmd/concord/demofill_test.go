package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/concord-hie/concord/internal/sim"
)

func TestThePopulationIsRegisteredAndPublishedOnce(t *testing.T) {
	node := &recordingNode{}
	server := httptest.NewServer(node)
	defer server.Close()
	m := demoAt(t, server.URL, io.Discard)
	m.state.Consents = true // wishes are the story test's
	if err := m.fill(context.Background()); err != nil {
		t.Fatal(err)
	}
	patients, documents, want := 0, 0, 0
	for _, g := range m.region.Registrations {
		if s, _ := m.region.Site(g.Site); s.Publishes {
			want += g.Documents
		}
	}
	for _, r := range node.got {
		switch {
		case r.method == http.MethodPut && strings.HasPrefix(r.target, "/fhir/Patient?identifier="):
			patients++
		case r.method == http.MethodPost && r.target == "/fhir":
			var b struct {
				Entry []struct{ Request struct{ URL string } }
			}
			if err := json.Unmarshal(r.body, &b); err != nil {
				t.Fatal(err)
			}
			if b.Entry[0].Request.URL != "List" || len(b.Entry) > bundleSize+1 {
				t.Errorf("a bundle has a submission set first and at most %d documents; it has %d entries", bundleSize, len(b.Entry))
			}
			documents += len(b.Entry) - 1
		default:
			t.Errorf("unexpected %s %s", r.method, r.target)
		}
	}
	if patients != len(m.region.Registrations) || documents != want {
		t.Errorf("%d patients, %d documents; want %d, %d", patients, documents, len(m.region.Registrations), want)
	}

	before := len(node.got)
	m.state = demoState{}
	if err := m.readState(); err != nil || m.state.People != len(m.region.People) {
		t.Errorf("what was done must be remembered: %d people, %v", m.state.People, err)
	}
	if err := m.fill(context.Background()); err != nil || len(node.got) != before {
		t.Errorf("a second fill sent %d requests, %v", len(node.got)-before, err)
	}
}

func TestARefusedRegistrationEndsTheFillWithItsReason(t *testing.T) {
	node := &recordingNode{refuse: func(r recorded) bool { return strings.Contains(r.target, "HG-20419") }}
	server := httptest.NewServer(node)
	defer server.Close()
	m := demoAt(t, server.URL, io.Discard)
	err := m.fill(context.Background())
	if err == nil || !strings.Contains(err.Error(), "is not ours") || errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if m.state.People != 0 {
		t.Error("a fill that failed must be done again")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.fill(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: got %v", err)
	}
}

func TestThePortOfASiteStays(t *testing.T) {
	l, err := listenSite(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := demoAt(t, "http://x", io.Discard)
	m.state.Ports = map[string]int{sim.Sites(5)[0].ID: 1}
	if err := m.writeState(); err != nil {
		t.Fatal(err)
	}
	m.state = demoState{}
	if err := m.readState(); err != nil || m.state.Ports["harbor-main"] != 1 {
		t.Errorf("ports read back: %v, %v", m.state.Ports, err)
	}
	m.state.People, m.state.Cast = 14, sim.Cast()-1
	if err := m.writeState(); err != nil {
		t.Fatal(err)
	}
	if err := m.readState(); err == nil {
		t.Error("a region of fewer stories in the same directory must be refused: everybody else has another number now")
	}
	m.state.People = 0
	if err := m.writeState(); err != nil {
		t.Fatal(err)
	}
	if err := m.readState(); err != nil {
		t.Errorf("a directory in which nobody is registered yet was refused: %v", err)
	}
	m.Sites = 7
	if err := m.readState(); err == nil {
		t.Error("a region of other sites in the same directory must be refused: its identifiers mean other people")
	}
	if _, err := listenSite(l.Addr().(*net.TCPAddr).Port, 0); err == nil {
		t.Error("a port that is taken by another must not be replaced silently")
	}
	_ = l.Close()
}
