// Runs in the browser: page.ts puts it into the page.

const records = document.querySelector("#records");
showRecords(records.dataset.exchange);

/** Shows the records of an exchange, again and again until it is over. The server makes the HTML and escapes what is in it. */
async function showRecords(id) {
  records.dataset.exchange = id;
  for (;;) {
    const response = await fetch(`/records/${id}`, { headers: { accept: "text/html" } });
    // In the meantime the user may have chosen another exchange, or the server dropped this one.
    if (records.dataset.exchange !== id || !response.ok) return;
    records.innerHTML = await response.text();
    if (records.querySelector("[data-state=running]") === null) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Runs `send` whenever a form is submitted. An error is shown in the place of the answer. */
function onSubmit(selector, send) {
  const form = document.querySelector(selector);
  const [button, output] = [form.querySelector("button"), form.querySelector("output")];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await send({ form, button, output });
    } catch (error) {
      output.textContent = String(error);
    }
  });
}

// XMLHttpRequest, because fetch does not report the progress of an upload. Both stream the file.
onSubmit("#upload", ({ form, button, output }) => {
  const file = form.elements.file.files[0];
  const request = new XMLHttpRequest();
  request.open("PUT", `/upload?name=${encodeURIComponent(file.name)}`);
  request.upload.onprogress = ({ loaded, total }) => {
    output.textContent = `${Math.floor((loaded / Math.max(total, 1)) * 100)} % of ${total} bytes sent`;
  };
  request.onload = () => {
    output.textContent = request.responseText;
    showRecords(request.getResponseHeader("exchange-id"));
  };
  request.onerror = () => {
    output.textContent = "The upload failed";
  };
  request.onloadend = () => {
    button.disabled = false;
  };
  button.disabled = true;
  request.send(file);
});

let leave = null;

onSubmit("#ticks", async ({ button, output }) => {
  if (leave !== null) return leave.abort();
  leave = new AbortController();
  button.textContent = "Stop";
  try {
    const response = await fetch("/ticks", { signal: leave.signal });
    showRecords(response.headers.get("exchange-id"));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      output.textContent = value;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    output.textContent = "You left";
  } finally {
    leave = null;
    button.textContent = "Start";
  }
});

onSubmit("#throw", async ({ output }) => {
  const response = await fetch("/throw");
  output.textContent = `${response.status} ${await response.text()}`;
  showRecords(response.headers.get("exchange-id"));
});
