package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// What stewards do with tasks besides deciding them: take, give, put off, hand on. On the queue with several at once, each on
// its own; on a task's page with that one.

// maxTicked bounds how many tasks are worked on at once.
const maxTicked = 50

// snoozeDays are the first and the last day a task can be put off to, as a date field has them.
func (v *visit) snoozeDays() (d struct{ First, Last string }) {
	today := v.now.In(v.zone())
	d.First, d.Last = today.AddDate(0, 0, 1).Format(time.DateOnly), today.AddDate(0, 0, 89).Format(time.DateOnly)
	return d
}

// morning is the instant tasks put off to a day come back: eight in the morning there. ok is false for what is no day.
func (v *visit) morning(day string) (_ string, ok bool) {
	t, err := time.ParseInLocation(time.DateOnly, day, v.zone())
	return t.Add(8 * time.Hour).UTC().Format(time.RFC3339), err == nil
}

// workOnTasks answers POST /steward/work: the ticked tasks are claimed, given to somebody, put off or woken, as do says.
func (v *visit) workOnTasks() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	for name := range form {
		for i, s := range form[name] {
			form[name][i] = strings.TrimSpace(s)
		}
	}
	do, ids := form.Get("do"), form["task"]
	until, isDay := v.morning(form.Get("until"))
	var faults []fault
	if len(ids) == 0 || len(ids) > maxTicked {
		faults = append(faults, fault{"tasks", "queue.fault.ticks"})
	}
	if do == "assign" && form.Get("to") == "" {
		faults = append(faults, fault{"to", "queue.fault.to"})
	}
	if do == "snooze" && !isDay {
		faults = append(faults, fault{"until", "queue.fault.until"})
	}
	if do == "snooze" && form.Get("why") == "" {
		faults = append(faults, fault{"why", "queue.fault.why"})
	}
	if faults != nil {
		return v.showQueue(http.StatusUnprocessableEntity, form, form, faults)
	}
	var done int
	var notice string
	switch do {
	case "claim":
		notice = "queue.claimed"
		done, err = v.assignTasks(ids, "")
	case "assign":
		notice = "queue.done.assigned"
		done, err = v.assignTasks(ids, form.Get("to"))
	case "snooze":
		notice = "queue.done.snoozed"
		done, err = v.eachTask(ids, "snooze", map[string]any{"until": until, "reason": form.Get("why")})
	case "wake":
		notice = "queue.done.woken"
		done, err = v.eachTask(ids, "wake", map[string]any{})
	default:
		return hie.Invalid("do", "must be one of the buttons of the page")
	}
	if f, named := refusedField(err); named {
		return v.showQueue(http.StatusUnprocessableEntity, form, form, []fault{f})
	}
	if err != nil {
		return err
	}
	switch {
	case done == 0:
		notice = "queue.left.all"
	case done < len(ids):
		notice = "queue.left.some"
	}
	if err := v.say(notice); err != nil {
		return err
	}
	f := readQueueFilter(form)
	return v.redirect("/steward?" + f.form().Encode())
}

// assignTasks gives tasks to a steward, "" for who is signed in, and returns how many there were to give.
func (v *visit) assignTasks(ids []string, to string) (done int, err error) {
	var out struct {
		Tasks []struct {
			Refused string `json:"refused"`
		} `json:"tasks"`
	}
	if err := v.read(http.MethodPost, "/admin/v1/match/tasks/assign", map[string]any{"tasks": ids, "to": to}, &out); err != nil {
		return 0, err
	}
	for _, t := range out.Tasks {
		if t.Refused == "" {
			done++
		}
	}
	return done, nil
}

// eachTask takes a step with each task and returns with how many it could be taken: what others work on, what was handed on and
// what is closed stays as it is.
func (v *visit) eachTask(ids []string, step string, body map[string]any) (done int, err error) {
	for _, id := range ids {
		_, err := v.call(http.MethodPost, taskPath(id)+"/"+step, body)
		switch {
		case err == nil:
			done++
		case errors.Is(err, hie.ErrConflict), errors.Is(err, hie.ErrForbidden), errors.Is(err, hie.ErrNotFound):
		default:
			return done, err
		}
	}
	return done, nil
}

// workOnTask answers POST /steward/tasks/:task/STEP for claim, release, wake and recall, which say nothing more, and shows the
// task again.
func workOnTask(step, notice string) func(*visit) error {
	return func(v *visit) error {
		id := v.c.Param("task")
		if _, err := v.call(http.MethodPost, taskPath(id)+"/"+step, map[string]any{}); err != nil {
			return err
		}
		if err := v.say(notice); err != nil {
			return err
		}
		return v.redirect("/steward/tasks/" + url.PathEscape(id))
	}
}

// snoozeTask answers POST /steward/tasks/:task/snooze.
func (v *visit) snoozeTask() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	until, isDay := v.morning(form.Get("until"))
	why := strings.TrimSpace(form.Get("why"))
	var faults []fault
	if !isDay {
		faults = append(faults, fault{"until", "queue.fault.until"})
	}
	if why == "" {
		faults = append(faults, fault{"why", "queue.fault.why"})
	}
	return v.leaveTask("snooze", "queue.done.snoozed", map[string]any{"until": until, "reason": why}, form, faults)
}

// escalateTask answers POST /steward/tasks/:task/escalate: to a named steward, or to any other.
//
// Source: spec ux W3, "same / different / cannot tell / escalate".
func (v *visit) escalateTask() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	to, why := strings.TrimSpace(form.Get("user")), strings.TrimSpace(form.Get("handed"))
	body := map[string]any{"reason": why}
	if to == "" {
		body["role"] = hie.RoleSteward
	} else {
		body["user"] = to
	}
	var faults []fault
	if why == "" {
		faults = append(faults, fault{"handed", "queue.fault.why"})
	}
	return v.leaveTask("escalate", "queue.done.escalated", body, form, faults)
}

// leaveTask takes a step after which the task is in other hands, and shows the queue.
func (v *visit) leaveTask(step, notice string, body map[string]any, form url.Values, faults []fault) error {
	if faults == nil {
		_, err := v.call(http.MethodPost, taskPath(v.c.Param("task"))+"/"+step, body)
		if err == nil {
			if err := v.say(notice); err != nil {
				return err
			}
			return v.redirect("/steward")
		}
		f, named := refusedField(err)
		if !named {
			return err
		}
		faults = []fault{f}
	}
	m, err := v.matter()
	if err != nil {
		return err
	}
	return v.showComparison(http.StatusUnprocessableEntity, m, form, faults, nil)
}

// refusedField is the field of a form that the API found wrong; false for any other error.
func refusedField(err error) (fault, bool) {
	var inv *hie.InvalidError
	if !errors.As(err, &inv) {
		return fault{}, false
	}
	key, named := map[string]string{"to": "queue.fault.to", "user": "queue.fault.to", "until": "queue.fault.until"}[inv.Path]
	return fault{inv.Path, key}, named
}
