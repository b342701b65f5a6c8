package mpi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Inquiry is a question put to the people of a site whose registration a task is about, by telephone or letter, and what they
// answered. The index sends nothing: it keeps that one waits for an answer, and the answer.
type Inquiry struct {
	Site  hie.SiteID
	Words string
	By    string // "org/user"
	At    time.Time
	// Answered is zero while the answer is awaited; then Answer says it and AnswerBy who wrote it down.
	Answered         time.Time
	Answer, AnswerBy string
}

// Bounds on inquiries.
const (
	maxInquiryWords = 2000 // bytes of a question or an answer
	maxInquiries    = 20   // of one task
)

// Pending is how many sites the task waits for.
func (t *Task) Pending() (n int) {
	for _, q := range t.Inquiries {
		if q.Answered.IsZero() {
			n++
		}
	}
	return n
}

// AskSite notes that a site whose registration the task is about was asked something. hie.ErrConflict means that the site has
// not answered an earlier question yet; otherwise it and hie.ErrForbidden are as for ClaimTask.
//
// Source: spec ux W1, "pending queries".
func (x *Index) AskSite(ctx context.Context, actor hie.Actor, id TaskID, site hie.SiteID, words string) (Task, error) {
	if err := checkWords("question", words); err != nil {
		return Task{}, fmt.Errorf("mpi: ask site: %w", err)
	}
	task, err := x.store.TaskByID(ctx, id)
	if err != nil {
		return Task{}, fmt.Errorf("mpi: ask site: %w", err)
	}
	rows, err := x.Records(ctx, task.about()) // a record's site never changes
	if err != nil {
		return Task{}, err
	}
	if !slices.ContainsFunc(rows, func(r SourcePatient) bool { return r.Site == site }) {
		return Task{}, fmt.Errorf("mpi: ask site: %w", hie.Invalid("site", "must be one whose registration the task is about"))
	}
	now := x.now()
	return x.work(ctx, actor, id, "asked", words, func(t *Task) error {
		if err := t.open(actor, now); err != nil {
			return err
		}
		if t.awaited(site) >= 0 || len(t.Inquiries) == maxInquiries {
			return fmt.Errorf("the site has not answered yet: %w", hie.ErrConflict)
		}
		t.Inquiries = append(slices.Clone(t.Inquiries), Inquiry{Site: site, Words: words, By: nameOf(actor), At: now})
		return nil
	})
}

// TakeAnswer notes what a site answered. hie.ErrConflict means that nothing is awaited of the site; otherwise it and
// hie.ErrForbidden are as for ClaimTask.
func (x *Index) TakeAnswer(ctx context.Context, actor hie.Actor, id TaskID, site hie.SiteID, words string) (Task, error) {
	if err := checkWords("answer", words); err != nil {
		return Task{}, fmt.Errorf("mpi: take answer: %w", err)
	}
	now := x.now()
	return x.work(ctx, actor, id, "answered", words, func(t *Task) error {
		if err := t.open(actor, now); err != nil {
			return err
		}
		i := t.awaited(site)
		if i < 0 {
			return fmt.Errorf("nothing is awaited of the site: %w", hie.ErrConflict)
		}
		t.Inquiries = slices.Clone(t.Inquiries)
		q := &t.Inquiries[i]
		q.Answered, q.Answer, q.AnswerBy = now, words, nameOf(actor)
		return nil
	})
}

// awaited is the place of the inquiry that site has not answered, -1 for none.
func (t *Task) awaited(site hie.SiteID) int {
	return slices.IndexFunc(t.Inquiries, func(q Inquiry) bool { return q.Site == site && q.Answered.IsZero() })
}

// lastInquiry is what was asked or answered last; there must be something.
func (t *Task) lastInquiry() Inquiry {
	last := func(q Inquiry) time.Time {
		if q.Answered.IsZero() {
			return q.At
		}
		return q.Answered
	}
	return slices.MaxFunc(t.Inquiries, func(a, b Inquiry) int { return last(a).Compare(last(b)) })
}

func checkWords(field, words string) error {
	switch {
	case strings.TrimSpace(words) == "":
		return hie.Required(field)
	case len(words) > maxInquiryWords:
		return &hie.InvalidError{Path: field, Rule: "must not be longer than 2000 bytes", Code: "too-long"}
	}
	return nil
}

// WithdrawTask closes a task that a person raised by their word, because they took it back: nothing was decided, and the same may
// be reported again. A reason is required. hie.ErrConflict and hie.ErrForbidden are as for ClaimTask.
func (x *Index) WithdrawTask(ctx context.Context, actor hie.Actor, id TaskID, reason string) (Task, error) {
	if strings.TrimSpace(reason) == "" {
		return Task{}, fmt.Errorf("mpi: withdraw task: %w", hie.Required("reason"))
	}
	now := x.now()
	return x.work(ctx, actor, id, "withdrawn", reason, func(t *Task) error {
		if err := t.open(actor, now); err != nil {
			return err
		}
		if t.Kind != TaskReported {
			return hie.Invalid("task", "was not raised by a person's word: it is settled, not withdrawn")
		}
		t.Closed, t.Withdrawn, t.By, t.Reason = now, true, nameOf(actor), reason
		t.ClaimedBy, t.ClaimedUntil, t.Snooze, t.Escalation = "", time.Time{}, nil, nil
		return nil
	})
}
