package enrollhttp

import (
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/internal/httpkit"
)

// Mounter is an enrollment.Platform that speaks HTTP. Its handler answers two
// places, of which it sees what is behind its name, beginning with a slash:
//
//   - BasePath/platform/{name}/..., for anybody: the handler checks who asks.
//   - BasePath/i/{token}/{name}/..., for whoever holds an invitation's token.
//     The invitation was looked up and is active, or the request would not have
//     come; r.PathValue("token") is the token, for Service.Peek.
//
// At the first place there is no token. GET and HEAD must not change a state
// there either; what they saw, Service.See notes.
type Mounter interface {
	// Handler is called once, by New.
	Handler(svc *enrollment.Service) http.Handler
}

// mount adds the two places of a platform, if it speaks HTTP.
func (h *handler) mount(r *mux.Router, p enrollment.Platform) {
	mounter, ok := p.(Mounter)
	if !ok {
		return
	}
	inner, name := mounter.Handler(h.svc), p.Name()

	open := h.o.BasePath + "/platform/" + name
	r.PathPrefix(open + "/").Handler(httpkit.LogRoute(h.log, "/platform/"+name+"/...", http.StripPrefix(open, inner)))

	held := "/i/" + tokenVar + "/" + name + "/"
	r.PathPrefix(h.o.BasePath + held).Handler(httpkit.LogRoute(h.log, held+"...", http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			token := mux.Vars(r)["token"]
			offer, err := h.svc.Peek(r.Context(), token)
			if err != nil {
				h.refuse(w, r, offer.Site, err)
				return
			}
			r.SetPathValue("token", token)
			http.StripPrefix(h.o.BasePath+"/i/"+token+"/"+name, inner).ServeHTTP(w, r)
		})))
}

// offered lists the device platforms that pages offer, in the order of
// device.Platforms.
func offered(platforms []enrollment.Platform) []device.Platform {
	if len(platforms) == 0 {
		return device.Platforms()
	}
	return slices.DeleteFunc(device.Platforms(), func(p device.Platform) bool {
		return !slices.ContainsFunc(platforms, func(served enrollment.Platform) bool {
			return slices.Contains(served.Serves(), p)
		})
	})
}
