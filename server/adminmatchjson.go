package server

import (
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/go-json-experiment/json/jsontext"
)

// What stewards see, as JSON. Tasks, changes and persons are named by sealed ids; a record's is the id of its
// FHIR Patient.

// taskJSON is a review task.
type taskJSON struct {
	ID         string           `json:"id"`
	Kind       mpi.TaskKind     `json:"kind"`
	Record     string           `json:"record"`
	Other      string           `json:"other,omitempty"`
	Grade      string           `json:"grade"`
	Bits       mpi.Bits         `json:"bits"`
	Missing    string           `json:"missing,omitempty"`
	Note       string           `json:"note,omitempty"`
	Evidence   []evidenceJSON   `json:"evidence"`
	Risk       float64          `json:"risk"`
	Opened     time.Time        `json:"opened"`
	Claim      *claimJSON       `json:"claim,omitempty"`
	Snooze     *snoozeJSON      `json:"snooze,omitempty"`
	Escalation *escalationJSON  `json:"escalation,omitempty"`
	Inquiries  []inquiryJSON    `json:"inquiries,omitempty"`
	Documents  int64            `json:"documents"`
	Consents   map[string]int64 `json:"consents,omitempty"`
	First      *opinionJSON     `json:"first,omitempty"`
	Closed     *time.Time       `json:"closed,omitempty"`
	Withdrawn  bool             `json:"withdrawn,omitempty"`
	Verdict    string           `json:"verdict,omitempty"`
	By         string           `json:"by,omitempty"`
	Reason     string           `json:"reason,omitempty"`
	Change     string           `json:"change,omitempty"`
}

// claimJSON says who works on a task.
type claimJSON struct {
	By    string    `json:"by"`
	Until time.Time `json:"until"`
}

// snoozeJSON says until when a task is put off.
type snoozeJSON struct {
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// escalationJSON says to whom a task was handed on: a role, or a person.
type escalationJSON struct {
	Role   string    `json:"role,omitempty"`
	User   string    `json:"user,omitempty"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// inquiryJSON says what a site was asked, and what it answered; without answered the answer is awaited.
type inquiryJSON struct {
	Site     hie.SiteID `json:"site"`
	Question string     `json:"question"`
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	Answered *time.Time `json:"answered,omitempty"`
	Answer   string     `json:"answer,omitempty"`
	AnswerBy string     `json:"answer_by,omitempty"`
}

// opinionJSON is a verdict that waits for a second reviewer.
type opinionJSON struct {
	Verdict string    `json:"verdict"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

type evidenceJSON struct {
	Field string   `json:"field"`
	Level string   `json:"level"`
	Bits  mpi.Bits `json:"bits"`
}

// eventJSON is one link row's change.
type eventJSON struct {
	Change   string         `json:"change"`
	Kind     mpi.EventKind  `json:"kind"`
	At       time.Time      `json:"at"`
	Cause    mpi.Cause      `json:"cause"`
	Record   string         `json:"record,omitempty"`
	Other    string         `json:"other,omitempty"`
	From     *placeJSON     `json:"from,omitempty"`
	To       *placeJSON     `json:"to,omitempty"`
	Verdict  string         `json:"verdict,omitempty"`
	Model    string         `json:"model,omitempty"`
	Grade    string         `json:"grade,omitempty"`
	Bits     mpi.Bits       `json:"bits"`
	Evidence []evidenceJSON `json:"evidence,omitempty"`
	By       string         `json:"by,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Undoes   string         `json:"undoes,omitempty"`
}

type placeJSON struct {
	Person string `json:"person"`
	Link   string `json:"link"`
}

// memberJSON is one registration of a person, as a steward compares it.
type memberJSON struct {
	Record  string         `json:"record"`
	Site    hie.SiteID     `json:"site"`
	Link    string         `json:"link"`
	Active  bool           `json:"active"`
	Patient jsontext.Value `json:"patient"`
}

func (s *Server) taskJSON(t mpi.Task) taskJSON {
	out := taskJSON{ID: s.adminID("task", int64(t.ID)), Kind: t.Kind, Record: s.patientID(t.Record), Grade: t.Grade.String(), Bits: t.Bits,
		Missing: t.Missing, Note: t.Note, Evidence: evidence(t.Evidence), Risk: t.Risk, Opened: t.Opened, By: t.By, Reason: t.Reason,
		Documents: t.Stake.Documents, Consents: t.Stake.Consents}
	if t.Snooze != nil && t.Snooze.Until.After(s.deps.Now()) {
		out.Snooze = &snoozeJSON{t.Snooze.Until, t.Snooze.By, t.Snooze.Reason}
	}
	if e := t.Escalation; e != nil {
		out.Escalation = &escalationJSON{e.Role, e.User, e.By, e.Reason, e.At}
	}
	if t.ClaimedBy != "" && t.ClaimedUntil.After(s.deps.Now()) {
		out.Claim = &claimJSON{t.ClaimedBy, t.ClaimedUntil}
	}
	if t.First != nil && t.Closed.IsZero() {
		out.First = &opinionJSON{verdictWord(t.First.Verdict), t.First.By, t.First.Reason, t.First.At}
	}
	for _, q := range t.Inquiries {
		j := inquiryJSON{Site: q.Site, Question: q.Words, By: q.By, At: q.At, Answer: q.Answer, AnswerBy: q.AnswerBy}
		if !q.Answered.IsZero() {
			j.Answered = &q.Answered
		}
		out.Inquiries = append(out.Inquiries, j)
	}
	if t.Change != 0 {
		out.Change = s.adminID("change", int64(t.Change))
	}
	if t.Other != 0 {
		out.Other = s.patientID(t.Other)
	}
	if !t.Closed.IsZero() {
		if out.Closed, out.Withdrawn = &t.Closed, t.Withdrawn; !t.Withdrawn {
			out.Verdict = verdictWord(t.Verdict)
		}
	}
	return out
}

func (s *Server) eventJSON(e mpi.Event) eventJSON {
	out := eventJSON{Change: s.adminID("change", int64(e.Change)), Kind: e.Kind, At: e.At, Cause: e.Cause, Model: e.Model, Bits: e.Bits,
		Evidence: evidence(e.Evidence), By: e.By, Reason: e.Reason, From: s.placeJSON(e.From), To: s.placeJSON(e.To)}
	if e.Record != 0 {
		out.Record = s.patientID(e.Record)
	}
	if e.Other != 0 {
		out.Other = s.patientID(e.Other)
	}
	if e.Grade != mpi.GradeNone {
		out.Grade = e.Grade.String()
	}
	if e.Kind == mpi.EventConstrained {
		out.Verdict = e.ToVerdict.String()
	}
	if e.Undoes != 0 {
		out.Undoes = s.adminID("change", int64(e.Undoes))
	}
	return out
}

func (s *Server) placeJSON(p mpi.Place) *placeJSON {
	if p.Person == 0 {
		return nil
	}
	return &placeJSON{Person: s.adminID("person", int64(p.Person)), Link: p.Link.String()}
}

func evidence(es []mpi.Evidence) []evidenceJSON {
	out := make([]evidenceJSON, 0, len(es))
	for _, e := range es {
		out = append(out, evidenceJSON(e))
	}
	return out
}
