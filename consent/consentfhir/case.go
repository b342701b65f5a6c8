package consentfhir

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json"
)

// A Case is one line of a case file: everything a decision needs, with nothing read from elsewhere.
//
// Source: spec consent-cases, "Case".
type Case struct {
	ID       string
	Setup    consent.Setup
	Subject  consent.Subject
	Consents []consent.Directive
	Request  consent.Request
	Document consent.Document
	// Now is zero when it could not be read.
	Now time.Time

	readable bool
	start    string
	end      string
}

// ReadCase reads one line. It returns an *hie.InvalidError for what is not JSON, has the wrong shape or lacks a
// required member; the Case then holds the id if that at least could be read. What can be read but not be
// decided on (an unknown purpose, an instant that is none) is left for [Case.Decide] to refuse.
func ReadCase(line []byte) (Case, error) {
	w := wireCase{line: string(line)}
	if err := json.Unmarshal(line, &w); err != nil {
		var id struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(line, &id) // the id is echoed if there is one
		return Case{ID: id.ID}, hie.Invalid("", "is not a case: not JSON, or a member has the wrong type")
	}
	if w.missing != "" {
		return Case{ID: w.ID}, hie.Required(w.missing)
	}
	if w.odd != nil {
		return Case{ID: w.ID}, w.odd
	}
	for i := range w.Consents {
		w.Consents[i].ID = "consents[" + strconv.Itoa(i) + "]"
	}
	w.readable = true
	return w.Case, nil
}

// Zones finds time zones by name, reading each from the system once.
type Zones struct{ known map[string]*time.Location }

// maxZones bounds how many names are remembered; there are some six hundred that mean something.
const maxZones = 4096

var errNoZone = errors.New("consentfhir: no time zone of this name")

// Load is time.LoadLocation with a memory. It is not safe for use by several goroutines.
func (z *Zones) Load(name string) (*time.Location, error) {
	l, known := z.known[name]
	if !known {
		l, _ = time.LoadLocation(name) // nil for a name that means nothing, which is remembered too
		if z.known == nil || len(z.known) == maxZones {
			z.known = map[string]*time.Location{}
		}
		z.known[strings.Clone(name)] = l
	}
	if l == nil {
		return nil, errNoZone
	}
	return l, nil
}

// prepare makes c ready to be decided; ok is false for a rule that is none.
func (c *Case) prepare(zones *Zones) (*consent.Decider, bool) {
	c.Setup.Zone = zones.Load
	env, err := consent.NewEnv(c.Setup)
	if err != nil {
		return nil, false
	}
	c.Document.Start, c.Document.End = env.DocumentTimes(c.Document.Site, c.start, c.end)
	return consent.Compile(env, c.Subject, c.Consents), true
}

// Decide answers c.
func (c *Case) Decide(zones *Zones) consent.Decision {
	if !c.readable {
		return refusedLine()
	}
	d, ok := c.prepare(zones)
	if !ok {
		return consent.RefuseInput(c.Document)
	}
	return d.Decide(c.Request, c.Document, c.Now)
}

// Explain answers c with everything that spoke.
func (c *Case) Explain(zones *Zones) consent.Trace {
	if c.readable {
		if d, ok := c.prepare(zones); ok {
			return d.Explain(c.Request, c.Document, c.Now)
		}
		return consent.Trace{Decision: consent.RefuseInput(c.Document)}
	}
	return consent.Trace{Decision: refusedLine()}
}

// refusedLine is the answer to a line that is no case: its one atom is plain.
func refusedLine() consent.Decision {
	return consent.RefuseInput(consent.Document{LabelState: consent.Labelled})
}

type wireDecision struct {
	ID          string            `json:"id"`
	Release     bool              `json:"release"`
	Atoms       map[string]string `json:"atoms"`
	Reason      string            `json:"reason"`
	Layer       string            `json:"layer"`
	Obligations []string          `json:"obligations"`
}

// DecideLine reads one line and returns the line that answers it, without a line end. It never fails: a line
// that is no case is refused with reason INPUT.
func DecideLine(line []byte, zones *Zones) []byte {
	c, err := ReadCase(line)
	if err != nil {
		return EncodeDecision(c.ID, refusedLine())
	}
	return EncodeDecision(c.ID, c.Decide(zones))
}

// EncodeDecision writes a decision as spec consent-cases says.
func EncodeDecision(id string, d consent.Decision) []byte {
	w := wireDecision{ID: id, Release: d.Release, Atoms: map[string]string{}, Reason: d.Reason.String(), Layer: string(d.Layer), Obligations: d.Obligations}
	d.Atoms.Each(func(label string, permit bool) {
		if permit && w.Atoms[label] != "deny" {
			w.Atoms[label] = "permit"
		} else {
			w.Atoms[label] = "deny"
		}
	})
	return fhir.Encode(w)
}
