package portal

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What else an officer does with an emergency claim: end it before its time, contest it for an organisation whose records it opened, hold the
// patient's notice back where somebody's safety asks for it, write the letter about it, and hand the case on.

// contestReview answers POST /officer/reviews/:review/contest.
func (v *visit) contestReview() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(form.Get("reason"))
	if reason == "" {
		return v.showReview(http.StatusUnprocessableEntity, form, []fault{{"reason", "review.fault.reason"}})
	}
	return v.act("/contest", map[string]any{"reason": reason}, "review.contest.done")
}

// holdNotice answers POST /officer/reviews/:review/hold.
func (v *visit) holdNotice() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	until, reason := form.Get("until"), strings.TrimSpace(form.Get("why"))
	day, err := time.ParseInLocation(time.DateOnly, until, v.zone())
	var faults []fault
	if wrong(err) || !day.After(v.now) {
		faults = append(faults, fault{"until", "review.fault.until"})
	}
	if reason == "" {
		faults = append(faults, fault{"why", "review.fault.why"})
	}
	if faults != nil {
		return v.showReview(http.StatusUnprocessableEntity, form, faults)
	}
	return v.act("/hold", map[string]any{"until": day.UTC().Format(time.RFC3339), "reason": reason}, "review.hold.done")
}

// endReview answers POST /officer/reviews/:review/end: the emergency is over before its time.
func (v *visit) endReview() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(form.Get("over"))
	if reason == "" {
		return v.showReview(http.StatusUnprocessableEntity, form, []fault{{"over", "review.fault.end"}})
	}
	return v.act("/end", map[string]any{"reason": reason}, "review.end.done")
}

// act does something to the review of the path and comes back to it.
func (v *visit) act(what string, body map[string]any, done string) error {
	if _, err := v.call(http.MethodPost, reviewPath(v.c.Param("review"))+what, body); err != nil {
		return err
	}
	if err := v.say(done); err != nil {
		return err
	}
	return v.redirect("/officer/reviews/" + url.PathEscape(v.c.Param("review")))
}

// letters are whom a letter about a settled claim can be written to.
var letters = []string{"patient", "claimant", "organization"}

// reviewLetter answers GET /officer/reviews/:review/letter?to=: a letter to print, without anything of the patient's records.
func (v *visit) reviewLetter() error {
	to := v.c.Query("to")
	if !slices.Contains(letters, to) {
		to = letters[0]
	}
	var r review
	if err := v.read(http.MethodGet, reviewPath(v.c.Param("review")), nil, &r); err != nil {
		return err
	}
	v.show(http.StatusOK, "officer/letter", map[string]any{"Review": r.in(v.zone()), "To": to, "Letters": letters, "Today": v.now.In(v.zone())})
	return nil
}

// reviewCase answers GET /officer/reviews/:review/case.json: the claim with what speaks for and against it, to be kept with
// the case. What it holds is on record as read.
func (v *visit) reviewCase() error {
	var r json.RawMessage
	if err := v.read(http.MethodGet, reviewPath(v.c.Param("review")), nil, &r); err != nil {
		return err
	}
	var claim review
	if err := json.Unmarshal(r, &claim); err != nil {
		return err
	}
	out := map[string]any{"made": v.now.UTC().Format(time.RFC3339), "by": v.session.Actor.User, "review": r, "access": []accessRow{}}
	for _, record := range claim.Records[:min(1, len(claim.Records))] {
		rows, _, err := v.accessTo(record, claim.Opened.AddDate(0, 0, -90), claim.Until.Add(time.Minute), "")
		if err != nil {
			return err
		}
		out["access"] = rows
	}
	v.download("application/json; charset=utf-8", "case.json")
	e := json.NewEncoder(v.c.Writer)
	e.SetIndent("", "  ")
	_ = e.Encode(out) // a browser that has gone misses nothing
	return nil
}
