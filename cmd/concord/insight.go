package main

import (
	"net/http"
	"net/http/pprof"

	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// insight is what the metrics listener serves to whoever keeps a node running: /metrics, and Go's profiles of this process
// under /debug/pprof/ (where time and memory go, by function). Neither holds personal data; the command line, which may
// hold a password, is left out.
func insight(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/cmdline", http.NotFound)
	return mux
}

// newRegistry returns the metrics of the process, the pool, the audit log and the traces.
func newRegistry(db *pg.DB, sequencer *auditpg.Sequencer, traces *federationpg.Traces) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewDBStatsCollector(db.SQL(), "concord"),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "concord_traces_dropped_total", Help: "Requests whose course was not kept because there were too many."},
			func() float64 { return float64(traces.Dropped()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "concord_audit_tree_size", Help: "Events in the audit tree after this node's last batch."},
			func() float64 { return float64(sequencer.Size()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "concord_audit_sequencer_leads", Help: "1 on the node that sequences the audit log."},
			func() float64 {
				if sequencer.Leads() {
					return 1
				}
				return 0
			}))
	return r
}
