package main

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

var newPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Hand work over</title></head>
<body><main><h1>Hand work over</h1>{{if .Said}}<p role="status">{{.Said}}</p>{{end}}
<form method="post"><p><label>To <select name="tool">{{range .Tools}}<option value="{{.Name}}">{{.Assignment.Name}}</option>
{{end}}</select></label></p>
<p><label>What is to be done<br><textarea name="input" rows="6" cols="60" required></textarea></label></p>
<p><label>Its number, so that it is done once however often it is sent <input name="key" required maxlength="100"></label></p>
<p><button>Hand it over</button> <a href="/desk/">The desk</a></p></form></main></body></html>
`))

// serveNew lets whoever is signed in start a Job.
func serveNew(mux *http.ServeMux, s *sessions, reg *duvotool.Registry) {
	show := func(w http.ResponseWriter, status int, said string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_ = newPage.Execute(w, map[string]any{"Tools": reg.All(), "Said": said})
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		person, err := s.person(r)
		if err != nil {
			http.Redirect(w, r, "/signin?next=/new", http.StatusSeeOther)
			return
		}
		if r.Method != http.MethodPost {
			show(w, http.StatusOK, "")
			return
		}
		tool, err := reg.Tool(r.PostFormValue("tool"))
		if err != nil {
			show(w, http.StatusBadRequest, "There is no such Assignment any more.")
			return
		}
		ctx := duvotool.WithCaller(duvotool.WithOperationKey(r.Context(), r.PostFormValue("key")), hitl.Caller{User: person.Login})
		res, err := tool.Start(ctx, r.PostFormValue("input"))
		switch {
		case errors.Is(err, outcome.ErrKeyReused):
			show(w, http.StatusConflict, "This number stands for other work already.")
		case err != nil:
			show(w, http.StatusBadGateway, "It was not handed over: "+err.Error())
		case res.Outcome != outcome.OutcomePending:
			show(w, http.StatusOK, "It was handed over before, and has ended: "+string(res.Outcome))
		default:
			show(w, http.StatusOK, "It is handed over; what it asks will wait at the desk.")
		}
	})
	mux.Handle("GET /new", handler)
	mux.Handle("POST /new", http.NewCrossOriginProtection().Handler(handler))
}
