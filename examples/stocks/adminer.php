<?php
/* Lets in whoever has the password of ADMINER_PASSWORD, and nobody while that is not set. SQLite itself has none. */
return new class {
    private function knows($password) {
        $wanted = (string) getenv("ADMINER_PASSWORD");
        return strlen($wanted) >= 12 && hash_equals($wanted, (string) $password);
    }

    function credentials() {
        $password = get_password();
        return array(SERVER, $_GET["username"], $this->knows($password) ? "" : $password);
    }

    function login($login, $password) {
        return $this->knows($password) ? true : "The password is that of ADMINER_PASSWORD in .env, of 12 characters or more.";
    }
};
