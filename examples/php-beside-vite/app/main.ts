const greeting = document.querySelector("#greeting");
const response = await fetch("/api/greeting.php?name=you");
const { text } = await response.json();
if (greeting !== null) greeting.textContent = text;

export {};
