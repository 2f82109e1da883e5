package console

import (
	"html"
	"maps"
	"net/http"
	"slices"
	"strings"

	"example.com/enrollkit/enrollment/adminhttp"
)

// showInFrame answers with the HTML of a mail, in a sandbox of its own.
func showInFrame(w http.ResponseWriter, page string) {
	inFrame(w, http.StatusOK, strings.Replace(page, "<head>", `<head><base target="_blank">`, 1))
}

func inFrame(w http.ResponseWriter, status int, page string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", mailPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page)) // a client that went away is no error of ours
}

// previewPage is the mail's HTML with its subject before and its text behind it.
func previewPage(m adminhttp.MessageText) string {
	const line = `font:600 15px/1.4 system-ui,sans-serif;color:#1b2333;background:#eef1f7;margin:0;padding:10px 16px`
	const text = `font:13px/1.5 ui-monospace,monospace;color:#1b2333;background:#fff;white-space:pre-wrap;overflow-wrap:anywhere;margin:0;padding:16px`
	subject := `<p style="` + line + `">` + html.EscapeString(m.Subject) + `</p>`
	plain := `<p style="` + line + `">As plain text</p><pre style="` + text + `">` + html.EscapeString(m.Text) + `</pre>`
	page := m.HTML
	if at := bodyTag(page); at > 0 {
		page = page[:at] + subject + page[at:]
	} else {
		page = subject + page
	}
	if at := strings.LastIndex(page, "</body>"); at > 0 {
		return page[:at] + plain + page[at:]
	}
	return page + plain
}

// bodyTag returns where the content of the body begins, or 0.
func bodyTag(page string) int {
	at := strings.Index(page, "<body")
	if at < 0 {
		return 0
	}
	end := strings.IndexByte(page[at:], '>')
	if end < 0 {
		return 0
	}
	return at + end + 1
}

// showFaultsInFrame says why there is no preview.
func showFaultsInFrame(w http.ResponseWriter, wrong map[string]string) {
	var b strings.Builder
	b.WriteString(`<!doctype html><meta charset="utf-8"><title>No preview</title><body style="font:15px/1.5 system-ui,sans-serif;color:#8f1a11;background:#fff;padding:16px"><h1 style="font-size:17px">There is nothing to preview</h1>`)
	for _, field := range slices.Sorted(maps.Keys(wrong)) {
		b.WriteString("<p><b>" + html.EscapeString(word(columns, field)) + ":</b> " + html.EscapeString(wrong[field]) + "</p>")
	}
	inFrame(w, http.StatusUnprocessableEntity, b.String())
}
