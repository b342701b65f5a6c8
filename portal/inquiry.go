package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// W1, pending queries: what stewards ask the people of sites about a task, outside the exchange, and what these answer.

// A siteToAsk is a site whose registration a task is about.
type siteToAsk struct {
	ID hie.SiteID
	// Waits says that the site has not answered yet.
	Waits bool
}

// sitesToAsk are the sites of what a task compares, each once.
func (v *visit) sitesToAsk(t task, c comparison) (out []siteToAsk) {
	waits := t.Awaited()
	for _, column := range c.Columns {
		if slices.ContainsFunc(out, func(s siteToAsk) bool { return s.ID == column.Site }) {
			continue
		}
		out = append(out, siteToAsk{ID: column.Site, Waits: slices.ContainsFunc(waits, func(q inquiry) bool { return q.Site == column.Site })})
	}
	return out
}

// askSite answers POST /steward/tasks/:task/ask: a site was asked, and the task waits for its answer.
func (v *visit) askSite() error {
	return v.noteInquiry("ask", "question", "inquiry.fault.ask", "inquiry.asked")
}

// takeAnswer answers POST /steward/tasks/:task/answer.
func (v *visit) takeAnswer() error {
	return v.noteInquiry("answer", "answer", "inquiry.fault.answer", "inquiry.answered")
}

// noteInquiry keeps what was asked or answered: the form's words stand under the name the API gives them; missing is said where
// there are none.
func (v *visit) noteInquiry(step, name, missing, notice string) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	words := strings.TrimSpace(form.Get(name))
	var faults []fault
	if words == "" {
		faults = append(faults, fault{name + "-" + form.Get("site"), missing})
	}
	return v.stepOnTask(step, notice, map[string]any{"site": form.Get("site"), name: words}, form, faults)
}

// withdrawTask answers POST /steward/tasks/:task/withdraw: who reported it took it back.
func (v *visit) withdrawTask() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	why := strings.TrimSpace(form.Get("back"))
	var faults []fault
	if why == "" {
		faults = append(faults, fault{"back", "queue.fault.why"})
	}
	return v.stepOnTask("withdraw", "inquiry.withdrawn", map[string]any{"reason": why}, form, faults)
}

// stepOnTask takes a step with the task of the path and shows it again, or the form with what is wrong.
func (v *visit) stepOnTask(step, notice string, body map[string]any, form url.Values, faults []fault) error {
	if faults != nil {
		m, err := v.matter()
		if err != nil {
			return err
		}
		return v.showComparison(http.StatusUnprocessableEntity, m, form, faults, nil)
	}
	id := v.c.Param("task")
	if _, err := v.call(http.MethodPost, taskPath(id)+"/"+step, body); err != nil {
		return err
	}
	if err := v.say(notice); err != nil {
		return err
	}
	return v.redirect("/steward/tasks/" + url.PathEscape(id))
}
