package main

import (
	"context"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// matchAskCmd notes a question to a site.
type matchAskCmd struct {
	taskStep
	Site     string `required:"" help:"A site whose registration the task is about." placeholder:"ID"`
	Question string `required:"" help:"What was asked; kept with the task." placeholder:"TEXT"`
}

// Help implements kong.HelpProvider.
func (matchAskCmd) Help() string {
	return `Nothing is sent: whom to call stands in the directory. The task then waits for the answer (match tasks --waiting).

Example:
  concord match ask 246653357841277070 --site harbor-main --question "which of the two was there on 3 May?"`
}

// Run notes it.
func (m *matchAskCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.AskSite(ctx, steward(), id, hie.SiteID(m.Site), m.Question)
	})
}

// matchAnswerCmd notes a site's answer.
type matchAnswerCmd struct {
	taskStep
	Site   string `required:"" help:"The site that was asked." placeholder:"ID"`
	Answer string `required:"" help:"What it answered; kept with the task." placeholder:"TEXT"`
}

// Help implements kong.HelpProvider.
func (matchAnswerCmd) Help() string {
	return `Example:
  concord match answer 246653357841277070 --site harbor-main --answer "the younger one; the card was mixed up"`
}

// Run notes it.
func (m *matchAnswerCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.TakeAnswer(ctx, steward(), id, hie.SiteID(m.Site), m.Answer)
	})
}

// matchWithdrawCmd closes a task on the word of who reported it.
type matchWithdrawCmd struct {
	taskStep
	Reason string `required:"" help:"Why; kept with the task." placeholder:"TEXT"`
}

// Help implements kong.HelpProvider.
func (matchWithdrawCmd) Help() string {
	return `Only what a person reported can be withdrawn; nothing is decided by it.

Example:
  concord match withdraw 246653357841277070 --reason "she remembers the visit"`
}

// Run withdraws.
func (m *matchWithdrawCmd) Run(ctx context.Context, g *Globals, s *streams) error {
	return m.take(ctx, g, s, func(x *mpi.Index, id mpi.TaskID) (mpi.Task, error) {
		return x.WithdrawTask(ctx, steward(), id, m.Reason)
	})
}
