package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// P3, "ask about this": a patient asks about a line of their history, and a privacy officer answers.

// Questions keeps what patients ask. *auditpg.Questions is one; its methods say what each does.
type Questions interface {
	Ask(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, event, words string) error
	Of(ctx context.Context, record hie.SourcePatientID) ([]audit.Question, error)
	Open(ctx context.Context, limit int) ([]audit.Question, error)
	Answer(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id int64, words string) error
}

// lookOf returns the line event of the patient's own history: hie.ErrNotFound when it is not theirs.
func (v *visit) lookOf(event string) (look, error) {
	a, err := v.call(http.MethodGet, "/fhir/AuditEvent/"+url.PathEscape(event), nil)
	if err != nil {
		return look{}, err
	}
	l, err := readLook(a.body, v.myID())
	l.At = l.At.In(v.zone())
	return l, err
}

// askForm answers GET /my/looked/ask/:event.
func (v *visit) askForm() error {
	l, err := v.lookOf(v.c.Param("event"))
	if err != nil {
		return err
	}
	v.show(http.StatusOK, "ask", map[string]any{"Looks": []look{l}, "Event": l.ID, "Words": "", "Faults": []fault(nil)})
	return nil
}

// ask answers POST /my/looked/ask/:event.
func (v *visit) ask() error {
	l, err := v.lookOf(v.c.Param("event"))
	if err != nil {
		return err
	}
	form, err := v.form()
	if err != nil {
		return err
	}
	words := strings.TrimSpace(form.Get("words"))
	if wrong(audit.CheckWords(words)) {
		v.show(http.StatusUnprocessableEntity, "ask", map[string]any{"Looks": []look{l}, "Event": l.ID, "Words": words, "Faults": []fault{{"words", "ask.fault"}}})
		return nil
	}
	if err := v.deps.Questions.Ask(v.ctx, v.actor(), v.session.Actor.Patient, l.ID, words); err != nil {
		return err
	}
	if err := v.say("ask.sent"); err != nil {
		return err
	}
	return v.redirect("/my/questions")
}

// myQuestions answers GET /my/questions.
func (v *visit) myQuestions() error {
	all, err := v.deps.Questions.Of(v.ctx, v.session.Actor.Patient)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Asked, all[i].Answered = all[i].Asked.In(v.zone()), all[i].Answered.In(v.zone())
	}
	v.show(http.StatusOK, "questions", map[string]any{"Questions": all})
	return nil
}

// An openQuestion is one as a privacy officer sees it. Ref is its sealed id.
type openQuestion struct {
	audit.Question
	Ref  string
	Look *look
}

// maxOpenQuestions bounds the officers' list; the oldest come first.
const maxOpenQuestions = 100

// openQuestions answers GET /officer/questions. Officers of the network answer; what the line says they read in the trail,
// as auditors, on record.
func (v *visit) openQuestions() error {
	if err := v.ofNetwork(); err != nil {
		return err
	}
	all, err := v.deps.Questions.Open(v.ctx, maxOpenQuestions)
	if err != nil {
		return err
	}
	var shown []openQuestion
	for _, q := range all {
		o := openQuestion{Question: q, Ref: v.deps.Sealer.ID("question", int64(q.Record), q.ID)}
		o.Asked = o.Asked.In(v.zone())
		var raw fhir.Header
		if a, err := v.call(http.MethodGet, "/fhir/AuditEvent/"+url.PathEscape(q.Event), nil); err == nil && a.into(&raw) == nil {
			if l, err := readLook(a.body, v.deps.PatientID(q.Record)); err == nil {
				l.At = l.At.In(v.zone())
				o.Look = &l
			}
		}
		shown = append(shown, o)
	}
	v.show(http.StatusOK, "officerquestions", map[string]any{"Questions": shown})
	return nil
}

// ofNetwork is hie.ErrForbidden for somebody who does not act for the organisation that runs the exchange.
func (v *visit) ofNetwork() error {
	if o, ok := v.deps.Network().Organization(v.session.Actor.Organization); !ok || o.Kind != "network" {
		return hie.ErrForbidden
	}
	return nil
}

// answerQuestion answers POST /officer/questions/:question.
func (v *visit) answerQuestion() error {
	if err := v.ofNetwork(); err != nil {
		return err
	}
	record, id, err := v.id("question", v.c.Param("question"))
	if err != nil {
		return err
	}
	form, err := v.form()
	if err != nil {
		return err
	}
	if err := v.deps.Questions.Answer(v.ctx, v.actor(), hie.SourcePatientID(record), id, strings.TrimSpace(form.Get("words"))); err != nil {
		return err
	}
	if err := v.say("ask.answered"); err != nil {
		return err
	}
	return v.redirect("/officer/questions")
}
